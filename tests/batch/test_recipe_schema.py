"""A recipe's target has a field for every option, and refuses what is not a value of one."""

import builders

from graphfix.batch.recipe_schema import recipe_class
from graphfix.options import OPTIONS, Kind


def test_every_option_is_a_field_of_a_target():
    fields = recipe_class().DESCRIPTOR.fields_by_name["defaults"].message_type.fields_by_name
    assert set(fields) == set(OPTIONS)
    for option in OPTIONS.values():
        enum = fields[option.name].enum_type
        assert (enum is not None) == (option.kind is Kind.CHOICE)
        if enum is not None:
            assert [one.name for one in enum.values] == [one.value for one in option.choices]


def test_values_that_are_none_are_refused_before_anything_is_done(graphfix, tmp_path, model):
    recipe = builders.write(
        tmp_path,
        "recipe",
        f'model {{ source: "{model}" target {{ num_classes: 0 map: "a=b" }} }}\n'
        f'model {{ source: "{model}" name: "x" target {{ num_classes: 3 freeze: backbone }} }}',
    )
    done = graphfix("batch", recipe, "--output_directory", tmp_path / "out")
    assert done.code == 3 and done.err == (
        f"graphfix: {recipe}: model 1: num_classes: is 0; give a number from 1 to 10000\n"
    )
    assert not (tmp_path / "out").exists()


def test_an_error_names_options_as_a_recipe_does(graphfix, tmp_path, model):
    recipe = builders.write(
        tmp_path, "recipe", f'model {{ source: "{model}" target {{ map: "x" num_classes: 1 }} }}'
    )
    done = graphfix("batch", recipe, "--output_directory", tmp_path / "out")
    assert done.code == 1 and "map: 'x': has no '='" in done.out
