"""Bad input, one row each: refused with exit code 3 and a message that names what is wrong and
what to do about it; nothing is written, and what was there before stays byte for byte."""

import json
import os
import shutil

import builders
import pytest
from bad_inputs import Place, Rows

from graphfix.modeldir import manifest

row = Rows()


# Label maps.


@row("{labels}", "does not exist")
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


@row("the new classes", "are not given", "name them with --classes or --label_map_path")
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


@row("--classes", "is 'classes.TXT', which is a file's name", "as --label_map_path")
def a_list_of_classes_as_a_class(place):
    place.target = ["--classes", "classes.TXT"]


@row("--map 'zebra=catt'", "names 'catt', which is not a source class", "did you mean 'cat'?")
def a_mapping_from_an_unknown_class(place):
    place.flags += ["--map", "zebra=catt"]


@row("--map 'zebr=cat'", "names 'zebr', which is not a new class", "did you mean 'zebra'?")
def a_mapping_to_an_unknown_class(place):
    place.flags += ["--map", "zebr=cat"]


@row("--map 'zebra'", "has no '='", "write new=old")
def a_mapping_to_nothing(place):
    place.flags += ["--map", "zebra"]


@row("--map 'zebra=dog'", "maps 'zebra' a second time")
def a_mapping_given_twice(place):
    place.flags += ["--map", "zebra=cat", "--map", "zebra=dog"]


@row("--target_api: is '2023-01'", "name a month from 2017-06 to 2022-10")
def an_api_of_no_known_date(place):
    place.flags += ["--target_api", "2023-01"]


@row("--target_api: is 'july'", "write it as YYYY-MM")
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


@row("{out}", "has files that graphfix did not put there: training, yours; move that elsewhere")
def an_output_with_files_that_are_not_graphfixs(place):
    os.makedirs(os.path.join(place.out, "training", "deeper"))
    builders.write(place.out, "yours", "x")


@row("{out}", "has files that graphfix did not put there (it has no manifest.json): plan.json")
def an_output_that_lost_its_manifest(place):
    os.remove(os.path.join(place.out, "manifest.json"))


@row("{out}", "has files that graphfix did not put there (is not a valid manifest of graphfix")
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


@row("{top}/plan.json", "does not exist")
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
        ["is not a valid plan", "make it with graphfix plan --json"],
    )


@row("{top}/plan.json", "is a plan of format 99", "make the plan again")
def a_plan_of_another_format(place):
    plan(place, '{"format": 99}')


@pytest.mark.parametrize("spoil, subject, fragments", row)
def test_bad_input_is_refused(refused, spoil, subject, fragments):
    refused(spoil, subject, fragments)


def test_the_rows_are_bad_and_the_place_is_good(tmp_path, model, graphfix):
    """Without a fault the same command does its work: what a row changes is what is refused."""
    done = graphfix(*Place(tmp_path, model).words())
    assert done.code == 0, done.err
    with open(str(tmp_path / "out" / "plan.json")) as file:
        assert json.load(file)
