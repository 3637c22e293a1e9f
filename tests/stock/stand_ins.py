"""In place of the parts of a model that judge_parts.py does not judge; a stock interpreter's."""


class StandIn:
    """In a feature extractor's place: makes feature maps of given shapes, by one variable each."""

    losses, inputs, updates = (), (), ()

    def __init__(self, extractor, maps):
        self.extractor, self.maps = extractor, maps

    def __getattr__(self, name):
        return getattr(self.extractor, name)

    def get_updates_for(self, inputs):
        return []

    def __call__(self, images):
        return [self.made(images, number) for number in range(len(self.maps))]

    extract_features = __call__

    def extract_proposal_features(self, images, scope):
        return self.made(images, 0), {}

    def extract_box_classifier_features(self, crops, scope):
        import tensorflow.compat.v1 as tf

        (_, height, width, depth), _ = self.maps[1]
        if height and width:
            crops = tf.image.resize_images(crops, [height, width])
        return tf.reduce_mean(crops, -1, keepdims=True) * weights("crops", [1, 1, 1, depth])

    def get_proposal_feature_extractor_model(self, name):
        return Model(lambda images: self.made(images, 0))

    def get_box_classifier_feature_extractor_model(self, name):
        return Model(lambda crops: self.extract_box_classifier_features(crops, name))

    def made(self, images, number):
        import tensorflow.compat.v1 as tf

        static, found = self.maps[number]
        values = tf.random_normal(tf.concat([tf.shape(images)[:1], found[1:]], 0), seed=number)
        # A placeholder has no other static shape than it is given.
        values = tf.placeholder_with_default(values, [images.shape.as_list()[0], *static[1:]])
        return values * weights(f"map_{number}", [1])


class Model(StandIn):
    def __init__(self, call):
        self.call = call

    def __call__(self, images):
        return self.call(images)


def weights(name, shape):
    import tensorflow.compat.v1 as tf

    with tf.variable_scope("StandIn", reuse=tf.AUTO_REUSE):
        return tf.get_variable(name, shape, initializer=tf.ones_initializer())


def small_model(is_training, **words):
    """A model of two variables, for what is no model's affair."""
    import tensorflow.compat.v1 as tf
    from object_detection.core import model

    class Small(model.DetectionModel):
        def predict(self, images, shapes, **words):
            with tf.variable_scope("FeatureExtractor"):
                weights = tf.get_variable("weights", [2])
            with tf.variable_scope("BoxPredictor"):
                return {"predicted": weights * tf.get_variable("biases", [2])}

        def loss(self, predicted, shapes):
            return {"Loss/loss": tf.reduce_sum(predicted["predicted"])}

        def postprocess(self, predicted, shapes):
            return {
                "detection_boxes": tf.constant([[[0.1, 0.1, 0.6, 0.7], [0.2, 0.3, 0.9, 0.8]]]),
                "detection_scores": tf.constant([[0.9, 0.6]]),
                "detection_classes": tf.constant([[0.0, 1.0]]),
                "num_detections": tf.constant([2.0]),
            }

        def regularization_losses(self):
            return []

        preprocess = restore_map = restore_from_objects = None
        updates = regularization_losses

    return Small(num_classes=3)
