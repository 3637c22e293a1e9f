"""STUB: signature is final, the body follows."""


def message_class(full_name: str) -> type:
    """The message class of a full name such as "graphfix.pipeline.TrainEvalPipelineConfig".

    Others: "graphfix.labels.StringIntLabelMap", "graphfix.tensorflow.BundleEntryProto".
    Raises KeyError for a name no schema has.
    """
    raise NotImplementedError
