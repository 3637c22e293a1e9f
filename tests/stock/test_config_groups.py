"""Merged configs have what each of them changes, and nothing else."""

import itertools

import config_groups
import config_mutations as mutations
import pytest
from google.protobuf import text_format

MONTH, COUNT, SIZE = "2021-06", 150, 24


@pytest.fixture(scope="module")
def mutants():
    return list(mutations.mutants(7, COUNT, MONTH))


def changes(group):
    return {key for member in group.members for key, _ in member.changes}


def test_one_config_is_merged_into_itself(mutants):
    alone = config_groups.groups(mutants, 1, 1, lambda text: True)
    assert {config_groups.merged(one) for one in alone} == {text for _, text, _ in mutants}


def test_a_group_has_the_changes_of_each(mutants):
    groups = config_groups.groups(mutants, 1, SIZE, lambda text: True)
    assert sorted(one.name for group in groups for one in group.members) == sorted(
        name for name, _, _ in mutants
    )
    assert max(len(group.members) for group in groups) > 2
    for group in groups:
        message = group.base.__class__()
        text_format.Parse(config_groups.merged(group), message)
        assert {key for key, _ in config_groups.differences(group.base, message)} == changes(group)
        for one in group.members:
            for key, _ in config_groups.differences(one.message, message):
                assert key in changes(group) - {key for key, _ in one.changes}


def test_no_change_is_in_or_around_another(mutants):
    for group in config_groups.groups(mutants, 1, SIZE, lambda text: True):
        for one, other in itertools.combinations(group.members, 2):
            for (key, _), (over, _) in itertools.product(one.changes, other.changes):
                assert key[: len(over)] != over[: len(key)]


def test_what_does_not_pass_together_is_apart(mutants):
    refused = []

    def passes(text):
        refused.append(text)
        return False

    groups = config_groups.groups(mutants, 1, SIZE, passes)
    assert refused and all(len(group.members) == 1 for group in groups)


def test_halves(mutants):
    group = max(
        config_groups.groups(mutants, 1, SIZE, lambda text: True), key=lambda one: len(one.members)
    )
    one, other = config_groups.halves(group)
    assert one.members + other.members == group.members and one.members and other.members
