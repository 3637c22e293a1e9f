"""From label maps and --map flags to what each new class is made of."""

import time

import pytest

from graphfix.detectors import coco
from graphfix.errors import RequestError
from graphfix.pipeline_config.label_map import Label, LabelMap
from graphfix.planning.classes import resolve_classes, trained_ids


def labels(*names, **numbered):
    """A map of names from id 1 on, or of ids: labels(_3="cat")."""
    rows = [(number, name) for number, name in enumerate(names, 1)]
    rows += [(int(key[1:]), name) for key, name in numbered.items()]
    rows = [row if isinstance(row[1], tuple) else (row[0], (row[1], row[1])) for row in rows]
    return LabelMap(tuple(Label(number, *both) for number, both in sorted(rows)))


OLD = labels("cat", "dog", "traffic light", "person")


def resolve(target=None, maps=(), source=OLD, source_classes=4, num_classes=None):
    return resolve_classes(
        source=source,
        source_classes=source_classes,
        target=target,
        num_classes=num_classes,
        mappings=maps,
    )


def made_of(target=None, maps=(), **more):
    """{id: old ids} of the new classes."""
    classes, _ = resolve(target, maps, **more)
    return {one.id: one.sources for one in classes}


def refusal(*args, **more):
    with pytest.raises(RequestError) as caught:
        resolve(*args, **more)
    assert all(problem.remedy for problem in caught.value.problems)
    return [(problem.subject, problem.message) for problem in caught.value.problems]


def codes(findings):
    return [one.code for one in findings]


@pytest.mark.parametrize(
    "names, expected",
    [
        (["cat", "dog", "traffic light", "person"], [(1,), (2,), (3,), (4,)]),
        (["person", "Traffic_Light", "DOG", "cat"], [(4,), (3,), (2,), (1,)]),
        (["dog"], [(2,)]),
        (["a", "b", "c", "d", "e", "traffic-light"], [(), (), (), (), (), (3,)]),
        (["zebra", "cat", "ant"], [(), (1,), ()]),
    ],
)
def test_classes_are_carried_by_name_in_any_order_and_number(names, expected):
    classes, findings = resolve(labels(*names))
    assert [one.sources for one in classes] == expected
    assert [one.id for one in classes] == list(range(1, len(names) + 1))
    assert [one.name for one in classes] == names
    assert findings == ()


def test_near_misses_are_suggested_and_not_taken():
    classes, findings = resolve(labels("persons", "cats"))
    assert [one.sources for one in classes] == [(), ()]
    assert codes(findings) == ["NEAR_MISS", "NEAR_MISS"]
    assert findings[0].subject == "persons"
    assert findings[0].remedy == "if it is the same, pass --map 'persons=person'"


def test_a_mapped_class_is_no_near_miss():
    classes, findings = resolve(labels("persons"), ["persons="])
    assert classes[0].sources == () and findings == ()


def test_machine_names_decide_where_display_names_do_not():
    two_mice = labels(("/m/04rmv", "Mouse"), ("/m/020lf", "Mouse"))
    assert made_of(labels(("/m/020lf", "Mouse")), source=two_mice, source_classes=2) == {1: (2,)}
    classes, findings = resolve(labels("mouse"), source=two_mice, source_classes=2)
    assert classes[0].sources == ()
    assert codes(findings) == ["AMBIGUOUS"]
    assert findings[0].message.endswith("'Mouse' (id 1), 'Mouse' (id 2)")
    assert made_of(labels("mouse"), ["mouse=2"], source=two_mice, source_classes=2) == {1: (2,)}


def test_names_that_point_to_two_classes_are_not_taken():
    classes, findings = resolve(labels(("cat", "Dog")))
    assert classes[0].sources == ()
    assert codes(findings) == ["AMBIGUOUS"]


def test_new_classes_that_take_the_same_old_one_are_remarked():
    classes, findings = resolve(labels("Cat", "CAT", "dog"))
    assert [one.sources for one in classes] == [(1,), (1,), (2,)]
    assert codes(findings) == ["SHARED_SOURCE"]
    assert findings[0].subject == "Cat, CAT"
    # Asked for, it needs no remark.
    assert codes(resolve(labels("kitten", "cat"), ["kitten=cat"])[1]) == []


@pytest.mark.parametrize(
    "mapping, expected",
    [
        ("kitten=cat", (1,)),
        ("Kitten = CAT ", (1,)),
        ("kitten=1", (1,)),
        ("1=cat", (1,)),
        ("1=4", (4,)),
        (" 1 = 4 ", (4,)),
        ("kitten=cat+dog", (1, 2)),
        ("kitten=dog+1+traffic light", (2, 1, 3)),
        ("kitten=", ()),
        ("kitten= ", ()),
    ],
)
def test_a_mapping_names_classes_or_ids(mapping, expected):
    assert made_of(labels("kitten", "dog"), [mapping]) == {1: expected, 2: (2,)}


@pytest.mark.parametrize(
    "mapping, expected",
    [
        ("a=b=cat", {1: (1,), 2: ()}),
        ("a=cat", {1: (), 2: (1,)}),
        ("a=b=x=y", {1: (5,), 2: ()}),
        ("a=x+y", {1: (), 2: (6,)}),
        ("a=x+y+cat", {1: (), 2: (6, 1)}),
        ("a=cat+x+y+dog", {1: (), 2: (1, 6, 2)}),
        ("a=x+y+x+y+z", {1: (), 2: (6, 7)}),
        ("a=b=x=y+x+y", {1: (5, 6), 2: ()}),
    ],
)
def test_names_may_hold_the_signs_themselves(mapping, expected):
    source = labels("cat", "dog", "traffic light", "person", "x=y", "x+y", "x+y+z")
    assert made_of(labels("a=b", "a"), [mapping], source=source, source_classes=7) == expected


def test_a_number_is_a_name_first():
    source = labels("7", "cat", "3", "dog", "x", "y", "z")
    assert made_of(labels("new"), ["new=7"], source=source, source_classes=7) == {1: (1,)}
    assert made_of(labels("new"), ["new=6"], source=source, source_classes=7) == {1: (6,)}


@pytest.mark.parametrize(
    "mapping, message",
    [
        ("kitten", "has no '='"),
        ("kitten=zebra", "names 'zebra', which is not a source class"),
        ("kitten=cat+zebra", "names 'zebra', which is not a source class"),
        ("kitten=cat+", "names '', which is not a source class"),
        ("zebra=cat", "names 'zebra', which is not a new class"),
        ("zebra=", "names 'zebra', which is not a new class"),
        ("=cat", "names '', which is not a new class"),
        ("kitten=0", "names '0', which is not a source class"),
        ("kitten=5", "names '5', which is not a source class"),
        ("3=cat", "names '3', which is not a new class"),
        ("kitten=-1", "names '-1', which is not a source class"),
        ("kitten=\u00b2", "names '\u00b2', which is not a source class"),
        (
            "kitten=99999999999999999999",
            "names '99999999999999999999', which is not a source class",
        ),
        ("kitten=cat+Cat", "names an old class twice"),
    ],
)
def test_what_no_mapping_can_mean_is_refused(mapping, message):
    assert refusal(labels("kitten", "dog"), [mapping]) == [(f"--map '{mapping}'", message)]


def test_the_remedy_suggests_a_name():
    for target, source, mapping, remedy in (
        (labels("kitten"), OLD, "kitten=trafic light", "did you mean 'traffic light'?"),
        (labels("kitten"), OLD, "kiten=cat", "did you mean 'kitten'?"),
        (labels("kitten"), OLD, "kitten=zzz", "give a name or id from the source label map"),
        (
            labels("kitten"),
            None,
            "kitten=cat",
            "pass --source_label_map_path, or an id from 1 to 4",
        ),
        (None, OLD, "kitten=cat", "give an id from 1 to 3"),
    ):
        with pytest.raises(RequestError) as caught:
            resolve(target, [mapping], source=source, num_classes=None if target else 3)
        assert [problem.remedy for problem in caught.value.problems] == [remedy]


def test_a_name_of_several_classes_is_refused_in_a_mapping():
    source = labels("A", "a", "b")
    assert made_of(labels("x"), ["x=a"], source=source, source_classes=3) == {1: (2,)}
    with pytest.raises(RequestError) as caught:
        resolve(labels("x"), ["x= a"], source=source, source_classes=3)
    (problem,) = caught.value.problems
    assert problem.message == "names ' a', which fits several source classes"
    assert problem.remedy == "give the id that is meant: 1 or 2"


def test_all_faulty_mappings_are_listed():
    assert refusal(labels("kitten"), ["kitten=zebra", "x=cat", "kitten=dog"]) == [
        ("--map 'kitten=zebra'", "names 'zebra', which is not a source class"),
        ("--map 'x=cat'", "names 'x', which is not a new class"),
        ("--map 'kitten=dog'", "maps 'kitten' a second time"),
    ]


@pytest.mark.parametrize(
    "count, coco", [(90, "--source_label_map_path (coco if it is"), (3, "path, or")]
)
def test_a_mapping_by_name_where_none_is_known(count, coco):
    with pytest.raises(RequestError) as caught:
        resolve(labels("kitten"), ["kitten=cat"], source=None, source_classes=count)
    (problem,) = caught.value.problems
    assert coco in problem.remedy and problem.remedy.endswith(f"or an id from 1 to {count}")


def test_a_second_mapping_is_found_by_id_and_by_name():
    assert refusal(labels("kitten"), ["1=cat", "Kitten=dog"]) == [
        ("--map 'Kitten=dog'", "maps 'Kitten' a second time")
    ]


def test_gaps_in_the_new_ids_are_slots_without_a_class():
    classes, findings = resolve(labels(_2="dog", _5="zebra"))
    assert [(one.id, one.name, one.sources) for one in classes] == [
        (1, "", ()),
        (2, "dog", (2,)),
        (3, "", ()),
        (4, "", ()),
        (5, "zebra", ()),
    ]
    assert codes(findings) == ["UNUSED_IDS"]
    assert "1, 3, 4" in findings[0].message


def test_a_slot_that_was_unused_goes_on_being_unused():
    classes, _findings = resolve(coco.LABEL_MAP, source=coco.LABEL_MAP, source_classes=90)
    assert [one.sources for one in classes] == [(number,) for number in range(1, 91)]
    assert [one.id for one in classes if not one.name] == [12, 26, 29, 30, 45, 66, 68, 69, 71, 83]


def test_num_classes_may_reach_beyond_the_names():
    classes, findings = resolve(labels("dog"), num_classes=3)
    assert [(one.name, one.sources) for one in classes] == [("dog", (2,)), ("", ()), ("", ())]
    assert codes(findings) == ["UNUSED_IDS"]


def test_num_classes_without_names_starts_new_but_for_the_mapped():
    classes, findings = resolve(num_classes=3, maps=["2=dog"])
    assert [(one.name, one.sources) for one in classes] == [
        ("class_1", ()),
        ("class_2", (2,)),
        ("class_3", ()),
    ]
    assert codes(findings) == ["UNNAMED_CLASSES"]
    assert "2 of 3" in findings[0].message


def test_classes_that_were_numbered_once_are_carried_by_those_names():
    made = labels("class_1", "class_2", "class_3")
    classes, findings = resolve(num_classes=3, source=made, source_classes=3)
    assert [one.sources for one in classes] == [(1,), (2,), (3,)]
    assert findings == ()


@pytest.mark.parametrize(
    "target, num_classes, subject",
    [(None, None, "the new classes"), (labels(_3="cat"), 2, "--label_map_path")],
)
def test_numbers_that_do_not_fit_are_refused(target, num_classes, subject):
    assert [found[0] for found in refusal(target, num_classes=num_classes)] == [subject]


def test_without_old_names_every_class_needs_a_mapping():
    assert [found[0] for found in refusal(labels("cat", "dog"), ["cat=1"], source=None)] == [
        "--source_label_map_path"
    ]
    assert made_of(labels("cat", "dog"), ["cat=1", "dog="], source=None) == {1: (1,), 2: ()}
    assert made_of(source=None, num_classes=1) == {1: ()}


def test_ids_without_a_class_were_not_trained():
    assert trained_ids(None, 3) == (1, 2, 3)
    assert trained_ids(labels(_1="a", _3="b"), 4) == (1, 3)
    assert len(trained_ids(coco.LABEL_MAP, 90)) == 80


def timed(*args, **more):
    start = time.process_time()
    resolve(*args, **more)
    return time.process_time() - start


@pytest.mark.slow
def test_thousands_of_classes_resolve_in_no_time():
    # Some known, some nearly, some not at all.
    old = labels(*[f"species {number}, the {number * 7919 % 3001}" for number in range(3000)])
    new = labels(
        *[
            (
                "Species_%d,_the_%s"
                if number % 3
                else "specis %d, the %s"
                if number % 2
                else "%d of another kind %s"
            )
            % (number, number * 7919 % 3001)
            for number in range(3000)
        ]
    )
    assert timed(new, source=old, source_classes=3000) < 2
    assert timed(old, source=old, source_classes=3000) < 0.5
    maps = [f"{number}={number}+{3001 - number}" for number in range(1, 3001)]
    assert timed(new, maps, source=old, source_classes=3000) < 0.5


@pytest.mark.parametrize(
    "old, new", [("Schl\u00fcssel", "Schlu\u0308ssel"), ("Schlu\u0308ssel", "schl\u00fcssel")]
)
def test_spellings_of_unicode_are_one_name(old, new):
    source = labels("cat", old)
    assert made_of(labels(new, "dog"), source=source, source_classes=2) == {1: (2,), 2: ()}
    assert made_of(
        labels("key", new),
        ["key=" + new, new + "=" + old + "+cat"],
        source=source,
        source_classes=2,
    ) == {1: (2,), 2: (2, 1)}
    classes, findings = resolve(labels(new), source=source, source_classes=2)
    assert classes[0].name == new and not findings  # it goes out as the user spells it
