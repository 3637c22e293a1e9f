"""Bad input, one row each: refused with exit code 3 and a message that names what is wrong and
what to do about it; nothing is written, and what was there before stays byte for byte."""

import json
import os
import shutil

import builders
import handmade
import pytest

from graphfix.formats import dtypes
from graphfix.formats.checkpoint import reader, writer
from graphfix.formats.tensors import TensorMeta, TensorStore, TensorView
from graphfix.modeldir import manifest

CONFIG = builders.CONFIG % {"classes": 4}


class Place:
    """What a row spoils: a model, a label map, the command's words, an output of before."""

    def __init__(self, top, pristine):
        self.top = str(top)
        self.model = os.path.join(self.top, "model")
        shutil.copytree(pristine, self.model)
        self.prefix = os.path.join(self.model, "model.ckpt")
        self.index = self.prefix + ".index"
        self.data = self.prefix + ".data-00000-of-00001"
        self.config = os.path.join(self.model, "pipeline.config")
        self.labels = builders.write(top, "labels.pbtxt", builders.label_map(["person", "zebra"]))
        self.out = os.path.join(self.top, "out")
        builders.publish(self.out, "plan.json")
        self.source = self.model
        self.target = ["--label_map_path", self.labels]
        self.flags = ["--overwrite", "--target_api", "2019-07"]

    def words(self):
        return (
            ["convert", self.source] + self.target + ["--output_directory", self.out] + self.flags
        )

    def write(self, path, content):
        """Writes a file, in place of what is there."""
        if os.path.isdir(path):
            shutil.rmtree(path)
        return builders.write(os.path.dirname(path), os.path.basename(path), content)

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def change_config(self, *pairs):
        text = CONFIG
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new, 1)
        self.write(self.config, text)

    def directory(self, path):
        if os.path.exists(path):
            os.unlink(path)
        os.mkdir(path)


ROWS = []


def row(subject, *fragments):
    """Makes a function a row: it spoils a Place; `subject` is what the message must be about,
    `fragments` must be in the message."""

    def add(function):
        ROWS.append(
            pytest.param(function, subject, fragments, id=function.__name__.replace("_", " "))
        )
        return function

    return add


# The checkpoint.


@row("{top}/nowhere.index", "does not exist", "name a checkpoint's prefix")
def a_source_that_is_not_there(place):
    place.source = os.path.join(place.top, "nowhere")


@row("{top}/empty", "has no checkpoint", "name a model directory")
def a_source_without_a_checkpoint(place):
    place.source = os.path.join(place.top, "empty")
    os.mkdir(place.source)


@row("{model}", "has 2 checkpoints: a.ckpt.index, b.ckpt.index", "name the prefix")
def a_source_with_two_checkpoints(place):
    for name in "ab":
        shutil.copy(place.index, os.path.join(place.model, name + ".ckpt.index"))
    os.unlink(place.index)


@row("{prefix}", "is a V1 checkpoint", "tf.train.Saver")
def a_checkpoint_of_the_first_format(place):
    os.unlink(place.index)
    place.write(place.prefix, bytes(100) + handmade.MAGIC.to_bytes(8, "little"))
    place.source = place.prefix


@row("{prefix}", "is a file, but no checkpoint", "name a checkpoint's prefix")
def a_file_that_is_no_checkpoint(place):
    os.unlink(place.index)
    place.source = place.write(place.prefix, "hello")


@row("{index}", "")
def an_empty_index(place):
    place.write(place.index, b"")


@row("{index}", "")
def an_index_of_garbage(place):
    place.write(place.index, bytes(range(256)) * 40)


@row("{index}", "")
def an_index_cut_short(place):
    place.write(place.index, place.read(place.index)[:-100])


@row("{index}", "")
def an_index_that_lost_its_end(place):
    place.write(place.index, place.read(place.index)[:500])


@row("{index}", "the checksum of its block at byte 0 is wrong", "download or copy the file again")
def an_index_with_a_flipped_bit(place):
    data = bytearray(place.read(place.index))
    data[700] ^= 4
    place.write(place.index, bytes(data))


@row("{index}", "Is a directory")
def an_index_that_is_a_directory(place):
    place.directory(place.index)


@row("{data}", "No such file or directory", "put it beside {index}")
def data_that_is_not_there(place):
    os.unlink(place.data)


@row("{data}", "is truncated: tensor 'global_step' should lie at bytes")
def data_cut_short(place):
    place.write(place.data, place.read(place.data)[:-1])


@row("{data}", "is truncated: tensor 'BoxPredictor_0/BoxEncodingPredictor/biases'")
def data_that_is_empty(place):
    place.write(place.data, b"")


@row("{data}", "Is a directory")
def data_that_is_a_directory(place):
    place.directory(place.data)


def flip(place, name):
    """Flips a bit in the middle of a tensor."""
    extent = reader.open_bundle(place.prefix)[name].extent
    data = bytearray(place.read(place.data))
    data[extent.offset + extent.length // 2] ^= 0x10
    place.write(place.data, bytes(data))


@row(
    "{data}",
    "tensor 'FeatureExtractor/MobilenetV1/Conv2d_0/weights' is damaged",
    "do not match their checksum",
    "download or copy the checkpoint again",
)
def a_flipped_bit_in_what_is_copied(place):
    flip(place, "FeatureExtractor/MobilenetV1/Conv2d_0/weights")


@row("{data}", "tensor 'BoxPredictor_2/ClassPredictor/weights' is damaged")
def a_flipped_bit_in_what_is_rewritten(place):
    flip(place, "BoxPredictor_2/ClassPredictor/weights")


@row("{data}", "is truncated: tensor '")
def an_index_of_a_larger_model(place):
    other = builders.write_model(os.path.join(place.top, "other"), classes=9, names=None)
    shutil.copy(os.path.join(other, "model.ckpt.index"), place.index)


@row("{data}", "is damaged: its bytes do not match their checksum")
def data_of_another_training_of_the_model(place):
    other = builders.write_model(
        os.path.join(place.top, "other"), tensors=builders.values(4, seed=1)
    )
    shutil.copy(os.path.join(other, "model.ckpt.index"), place.index)


@row(
    "{prefix}", "is a classification checkpoint, not a detector", "from_detection_checkpoint: false"
)
def a_classification_checkpoint(place):
    scope = "FeatureExtractor/"
    builders.write_checkpoint(
        place.prefix,
        {
            name[len(scope) :]: value
            for name, value in builders.values(4).items()
            if name.startswith(scope)
        },
    )


@row("{prefix}", "BoxPredictor_3/ClassPredictor/weights is of type int32", "save it as float32")
def a_head_of_whole_numbers(place):
    tensors = builders.values(4)
    name = "BoxPredictor_3/ClassPredictor/weights"
    builders.write_checkpoint(place.prefix, dict(tensors, **{name: tensors[name].astype("i4")}))


@row("{prefix}", "BoxPredictor_3/ClassPredictor/weights is of type bfloat16", "save it as float32")
def a_head_that_numpy_has_no_type_for(place):
    def views():
        for name, view in reader.open_bundle(place.prefix).items():
            if name != "BoxPredictor_3/ClassPredictor/weights":
                yield view
                continue
            meta = TensorMeta(name, dtypes.BY_NAME["bfloat16"], view.meta.shape)
            halves = (view.load().view("<u4") >> 16).astype("<u2")
            yield TensorView(meta, lambda: halves)

    writer.write_bundle(TensorStore(views()), os.path.join(place.top, "model.ckpt"))
    for old in (place.index, place.data):
        os.rename(os.path.join(place.top, os.path.basename(old)), old)


@row("--weights ema", "holds no moving averages", "leave --weights out")
def averages_of_a_checkpoint_without(place):
    place.flags += ["--weights", "ema"]


# The config.


@row("{config}", "No such file or directory", "check the path")
def no_config(place):
    os.unlink(place.config)


@row("{top}/none.config", "No such file or directory")
def a_config_named_that_is_not_there(place):
    place.flags += ["--pipeline_config_path", os.path.join(place.top, "none.config")]


@row("{config}", "Is a directory")
def a_config_that_is_a_directory(place):
    place.directory(place.config)


@row("{config}", "has no model block")
def an_empty_config(place):
    place.write(place.config, "")


@row("{config}", "UTF-8")
def a_config_of_binary_garbage(place):
    place.write(place.config, bytes(range(256)) * 4)


@row("{config}:", "")
def a_config_cut_short(place):
    place.write(place.config, CONFIG[: len(CONFIG) // 2])


@row("{config}:59:", "\\U is not an escape", "use forward slashes or double the backslashes")
def a_windows_path_in_the_config(place):
    place.change_config(('"PATH_TO_BE_CONFIGURED/model.ckpt"', '"C:\\Users\\me\\model.ckpt"'))


@row("{config}:4:", "'num_classes' cannot be 'four'", "whole number")
def a_word_for_a_number(place):
    place.change_config(("num_classes: 4", "num_classes: 'four'"))


@row("{config}", "has more than 16777216 bytes")
def a_config_of_seventeen_megabytes(place):
    with open(place.config, "ab") as file:
        file.truncate(17 << 20)


@row("{config}", "cannot be read: Input/output error")
def a_config_that_fails_to_be_read(place):
    if not os.path.exists("/proc/self/mem"):
        pytest.skip("no /proc on this system")
    os.unlink(place.config)
    os.symlink("/proc/self/mem", place.config)


@row("{config}", "FeatureExtractor/MobilenetV2", "give the pipeline.config")
def a_config_of_another_feature_extractor(place):
    place.change_config(("'ssd_mobilenet_v1'", "'ssd_mobilenet_v2'"))


@row("{config}", "'ssd_of_tomorrow'")
def a_feature_extractor_nobody_knows(place):
    place.change_config(("'ssd_mobilenet_v1'", "'ssd_of_tomorrow'"))


@row("{config}", "depth_multiplier", "give the pipeline.config")
def a_config_of_a_wider_model(place):
    place.change_config(("depth_multiplier: 0.0625", "depth_multiplier: 0.25"))


@row("{config}", "", "give the pipeline.config")
def a_config_of_another_architecture(place):
    place.write(
        place.config,
        """
        model { faster_rcnn {
          num_classes: 4
          feature_extractor { type: 'faster_rcnn_inception_v2' first_stage_features_stride: 16 }
          image_resizer { keep_aspect_ratio_resizer { min_dimension: 600 max_dimension: 1024 } }
          first_stage_anchor_generator { grid_anchor_generator {
            scales: [0.25, 0.5, 1.0, 2.0] aspect_ratios: [0.5, 1.0, 2.0] } }
          second_stage_box_predictor { mask_rcnn_box_predictor { fc_hyperparams { op: FC
            initializer { variance_scaling_initializer { } } } } }
        } }
        train_config { fine_tune_checkpoint: "x" }
        train_input_reader { } eval_config { } eval_input_reader { }""",
    )


@row("{config}", "num_classes 0")
def a_config_of_no_classes(place):
    place.change_config(("num_classes: 4", "num_classes: 0"))


@row("{config}", "num_classes -4")
def a_config_of_negative_classes(place):
    place.change_config(("num_classes: 4", "num_classes: -4"))


@row("{config}", "100000", "4")
def a_config_of_too_many_classes(place):
    place.change_config(("num_classes: 4", "num_classes: 100000"))


@row("{config}", "num_classes", "4")
def a_config_of_one_class_more(place):
    place.change_config(("num_classes: 4", "num_classes: 5"))


@row("{prefix}", "BoxPredictor_")
def a_config_of_other_anchors(place):
    place.change_config(("        aspect_ratios: 0.3333\n", ""))


@row("{prefix}", "BoxPredictor_")
def a_config_of_fewer_feature_maps(place):
    place.change_config(("num_layers: 6", "num_layers: 5"))


@row("{prefix}", "BoxPredictor_6/")
def a_config_of_more_feature_maps(place):
    place.change_config(("num_layers: 6", "num_layers: 7"))


@row(
    "--new_rows",
    "wants noise for BoxPredictor_0/ClassPredictor/weights",
    "gives its predictor no initializer to draw it from",
    "truncated_normal_initializer",
)
def noise_that_is_no_number(place):
    head, tail = CONFIG.split("convolutional_box_predictor")
    place.write(
        place.config,
        head + "convolutional_box_predictor" + tail.replace("stddev: 0.03", "stddev: nan", 1),
    )


@row("--new_rows", "gives its predictor no initializer to draw it from")
def noise_without_end(place):
    head, tail = CONFIG.split("convolutional_box_predictor")
    place.write(
        place.config,
        head + "convolutional_box_predictor" + tail.replace("stddev: 0.03", "stddev: 1e38", 1),
    )


@row("--new_rows", "gives its predictor no initializer to draw it from")
def noise_of_a_negative_variance(place):
    head, tail = CONFIG.split("convolutional_box_predictor")
    place.write(
        place.config,
        head
        + "convolutional_box_predictor"
        + tail.replace(
            "truncated_normal_initializer { stddev: 0.03 }",
            "variance_scaling_initializer { factor: -1 }",
            1,
        ),
    )


# Label maps.


@row("{labels}", "No such file or directory")
def no_label_map(place):
    os.unlink(place.labels)


@row("{labels}", "Is a directory")
def a_label_map_that_is_a_directory(place):
    place.directory(place.labels)


@row("{labels}", "holds no classes", "item { id: 1")
def an_empty_label_map(place):
    place.write(place.labels, "")


@row("{labels}", "UTF-8")
def a_label_map_of_binary_garbage(place):
    place.write(place.labels, bytes(range(128, 256)))


@row("{labels}", "item 'cat' has id 0", "number the classes from 1")
def a_label_map_with_id_0(place):
    place.write(place.labels, builders.label_map({0: "cat", 1: "dog"}))


@row("{labels}", "item 'cat' has id -1", "number the classes from 1")
def a_label_map_with_a_negative_id(place):
    place.write(place.labels, builders.label_map({-1: "cat", 1: "dog"}))


@row("{labels}", "item 'cat' has id 100000", "at most 10000")
def a_label_map_with_an_enormous_id(place):
    place.write(place.labels, builders.label_map({100000: "cat"}))


@row("{labels}", "two items have the id '1'", "give every class its own id")
def a_label_map_with_an_id_twice(place):
    place.write(place.labels, builders.label_map(["cat"]) + builders.label_map(["dog"]))


@row("{labels}", "two items have the name 'cat'", "give every class its own name")
def a_label_map_with_a_name_twice(place):
    place.write(place.labels, builders.label_map(["cat", "dog", "cat"]))


@row("{labels}", "the item with id 3 has no name", "give it a name")
def a_label_map_without_a_name(place):
    place.write(place.labels, "item { id: 3 }")


@row("--label_map_path", "has the id 7, beyond --num_classes 3", "raise --num_classes")
def ids_beyond_num_classes(place):
    place.write(place.labels, builders.label_map({1: "cat", 7: "dog"}))
    place.target += ["--num_classes", "3"]


@row("{top}/old.pbtxt", "has the id 9, but the model of {config} has 4 classes")
def old_ids_beyond_the_model(place):
    place.flags += [
        "--source_label_map_path",
        place.write(os.path.join(place.top, "old.pbtxt"), builders.label_map({9: "cat"})),
    ]


@row("{top}/old.pbtxt", "two items have the name 'cat'")
def old_classes_with_a_name_twice(place):
    place.flags += [
        "--source_label_map_path",
        place.write(os.path.join(place.top, "old.pbtxt"), builders.label_map(["cat", "cat"])),
    ]


@row("--source_label_map_path", "is needed")
def old_classes_whose_names_nobody_knows(place):
    os.unlink(os.path.join(place.model, "label_map.pbtxt"))


# Flags.


@row("the target", "is not given", "pass --label_map_path, --num_classes")
def nothing_asked_for(place):
    place.target = []


@row("--num_classes", "is 0", "give a number from 1 to 10000")
def no_classes_asked_for(place):
    place.target = ["--num_classes", "0"]


@row("--num_classes", "is -3", "give a number from 1 to 10000")
def negative_classes_asked_for(place):
    place.target = ["--num_classes=-3"]


@row("--num_classes", "is 100000", "give a number from 1 to 10000")
def too_many_classes_asked_for(place):
    place.target = ["--num_classes", "100000"]


@row("--map 'zebra=catt'", "names 'catt', which is no old class", "did you mean 'cat'?")
def a_mapping_from_an_unknown_class(place):
    place.flags += ["--map", "zebra=catt"]


@row("--map 'zebr=cat'", "names 'zebr', which is no new class", "did you mean 'zebra'?")
def a_mapping_to_an_unknown_class(place):
    place.flags += ["--map", "zebr=cat"]


@row("--map 'zebra'", "has no '='", "write new=old")
def a_mapping_to_nothing(place):
    place.flags += ["--map", "zebra"]


@row("--map 'zebra=dog'", "maps 'zebra' a second time")
def a_mapping_given_twice(place):
    place.flags += ["--map", "zebra=cat", "--map", "zebra=dog"]


@row("2023-01", "name a month from 2017-06 to 2022-10")
def an_api_of_no_known_date(place):
    place.flags += ["--target_api", "2023-01"]


@row("'july'", "write it as YYYY-MM")
def an_api_that_is_no_date(place):
    place.flags += ["--target_api", "july"]


# Where it goes.


@row("{out}", "exists already", "pass --overwrite")
def an_output_that_is_there(place):
    place.flags.remove("--overwrite")


@row("{out}", "exists and is not a directory", "name another")
def an_output_that_is_a_file(place):
    shutil.rmtree(place.out)
    place.write(place.out, "a file")


@row("{out}", "exists and is not a directory", "name another")
def an_output_that_is_a_device(place):
    shutil.rmtree(place.out)
    os.symlink(os.devnull, place.out)


@row("{out}", "holds what graphfix did not put there: training, yours; move that elsewhere")
def an_output_with_files_that_are_not_graphfixs(place):
    os.makedirs(os.path.join(place.out, "training", "deeper"))
    builders.write(place.out, "yours", "x")


@row("{out}", "holds what graphfix did not put there (it has no manifest.json): plan.json")
def an_output_that_lost_its_manifest(place):
    os.remove(os.path.join(place.out, "manifest.json"))


@row("{out}", "holds what graphfix did not put there (is not a valid manifest of graphfix")
def an_output_whose_manifest_is_not_graphfixs(place):
    builders.write(place.out, "manifest.json", "{}")


@row("{out}", "its parent directory does not exist", "create {top}/none")
def an_output_without_a_parent(place):
    place.out = os.path.join(place.top, "none", "out")


@row("{model}", "holds {model}, which this command needs, so it cannot be replaced", "name another")
def an_output_that_is_the_source(place):
    manifest.write(place.model)
    place.out = place.model


@row("{out}", "holds {out}/labels, which this command needs")
def an_output_that_holds_the_target(place):
    os.rename(place.labels, os.path.join(place.out, "labels"))
    place.target[1] = os.path.join(place.out, "labels")
    manifest.write(place.out)


@row("{out}/train", "not two separate directories")
def a_model_dir_inside_the_output(place):
    place.flags += ["--model_dir", os.path.join(place.out, "train")]


@row("{top}/train", "exists already")
def a_model_dir_that_is_there(place):
    train = os.path.join(place.top, "train")
    os.mkdir(train)
    place.write(os.path.join(train, "events"), "x")
    place.out = os.path.join(place.top, "new")
    place.flags = ["--model_dir", train]


@row("{config}", "", "use one of adam_optimizer")
def a_model_dir_for_an_optimizer_nobody_knows(place):
    place.change_config(
        (
            """    rms_prop_optimizer {
      learning_rate { constant_learning_rate { learning_rate: 0.001 } }
    }
""",
            "",
        )
    )
    place.flags += ["--model_dir", os.path.join(place.top, "train")]


# Plans.


def plan(place, content):
    place.target = ["--plan", place.write(os.path.join(place.top, "plan.json"), content)]
    place.flags = ["--overwrite"]


@row("{top}/plan.json", "No such file or directory")
def no_plan(place):
    plan(place, "")
    os.unlink(os.path.join(place.top, "plan.json"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b"3",
        b"\xff\xfe",
        b'{"format": 1}',
        b'{"format": 1, "classes": 3}',
        b"[" * 100000,
    ],
)
def test_what_is_no_plan(refused, content):
    refused(
        lambda place: plan(place, content),
        "{top}/plan.json",
        ["is no plan of graphfix", "make it with graphfix plan --json"],
    )


@row("{top}/plan.json", "is a plan of format 99", "make the plan again")
def a_plan_of_another_format(place):
    plan(place, '{"format": 99}')


def tree(top):
    """Everything below a directory: bytes of files, targets of links."""
    found = {}
    for directory, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(directory, name)
            if os.path.islink(path):
                found[path] = os.readlink(path)
            elif os.path.isdir(path):
                found[path] = None
            else:
                with open(path, "rb") as file:
                    found[path] = file.read()
    return found


@pytest.fixture
def refused(tmp_path, model, graphfix):
    """Spoils a place, runs the command, and expects the refusal."""

    def check(spoil, subject, fragments):
        place = Place(tmp_path, model)
        spoil(place)
        before = tree(place.top)
        done = graphfix(*place.words())
        subject, fragments = (
            subject.format(**vars(place)),
            [
                fragment.format(**vars(place))
                if "{" in fragment and "item" not in fragment
                else fragment
                for fragment in fragments
            ],
        )
        assert done.code == 3, (done, subject)
        assert done.out == ""
        lines = done.err.splitlines()
        about = [line for line in lines if line.startswith("graphfix: " + subject)]
        assert about, done.err
        assert any(all(fragment in line for fragment in fragments) for line in about), done.err
        # Subject, what is wrong, what to do: every line is one problem.
        assert all(line.startswith("graphfix: ") and "; " in line for line in lines), done.err
        assert "Traceback" not in done.err
        assert tree(place.top) == before

    return check


@pytest.mark.parametrize("spoil, subject, fragments", ROWS)
def test_bad_input_is_refused(refused, spoil, subject, fragments):
    refused(spoil, subject, fragments)


def test_the_rows_are_bad_and_the_place_is_good(tmp_path, model, graphfix):
    """Without a fault the same command does its work: what a row changes is what is refused."""
    done = graphfix(*Place(tmp_path, model).words())
    assert done.code == 0, done.err
    with open(str(tmp_path / "out" / "plan.json")) as file:
        assert json.load(file)
