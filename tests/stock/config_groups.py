"""What many changed configs change, in one config: a step that it takes clears all of them.

Half of the configs that are changed at random still train, and each takes seconds to say so.
Changes of one family that do not touch the same field, and that doctor passes together, are merged;
a group that stops is halved until a change stands alone.  What one change has no effect on because
of another is cleared with it: so groups are drawn by a seed, and another draws others.
"""

import collections
import random

from config_mutations import base_configs, is_there, repeated, trains
from google.protobuf import text_format

Member = collections.namedtuple("Member", "name what message changes")
Member.__doc__ = """A changed config, and the [(key, path)] of its differences from its family's."""
Group = collections.namedtuple("Group", "base members")
Group.__doc__ = """Changed configs of one family, whose config is `base`."""


def groups(changed, seed, size, passes):
    """Groups of at most `size` of (name, config text, what was changed), of which `passes` passes
    each, and their merged text."""
    bases, found = base_configs(), collections.defaultdict(list)
    changed = sorted(changed)
    random.Random(f"{seed} {size}").shuffle(changed)
    for name, text, what in changed:
        base = bases[family_of(name)]
        member = _member(base, name, text, what)
        # The gradients take half of the time, and few changes have a say in them.
        of_kind = found[family_of(name), trains(what)]
        for group in of_kind:
            more = group._replace(members=[*group.members, member])
            if len(more.members) <= size and fits(group, member) and passes(merged(more)):
                group.members.append(member)
                break
        else:
            of_kind.append(Group(base, [member]))
    return [group for of_kind in found.values() for group in of_kind]


def planted(groups, changed, at_least):
    """What is changed, each in the first group of `at_least` members that it fits."""
    large = [group for group in groups if len(group.members) >= at_least]
    for name, text, what in changed:
        for group in large:
            member = _member(group.base, name, text, what)
            if family_of(name) == family_of(group.members[0].name) and fits(group, member):
                more = group._replace(members=[*group.members, member])
                yield name, merged(more), what
                break


def family_of(name):
    return name.partition("_")[2]


def _member(base, name, text, what):
    message = base.__class__()
    text_format.Parse(text, message)
    return Member(name, what, message, differences(base, message))


def what(group):
    return "; ".join(one.what for one in group.members)


def halves(group):
    middle = len(group.members) // 2
    return [
        group._replace(members=members)
        for members in (group.members[:middle], group.members[middle:])
    ]


def fits(group, member):
    """Whether a member changes no field that the others change, and none in or around one."""
    others = [key for one in group.members for key, _ in one.changes]
    return not any(
        key[: len(other)] == other[: len(key)] for key, _ in member.changes for other in others
    )


def merged(group):
    """The text of a family's config with what all members change."""
    message = group.base.__class__()
    message.CopyFrom(group.base)
    for member in group.members:
        for _, path in member.changes:
            _take(message, member.message, path)
    return text_format.MessageToString(message)


def differences(one, other, key=(), path=()):
    """[(key, path)] of the outermost fields in which two messages differ.

    A path is of (field's name, index or None); a key of names and indices, in which a oneof stands
    for each of its fields."""
    found = []
    for field in one.DESCRIPTOR.fields:
        values = getattr(one, field.name), getattr(other, field.name)
        if repeated(field):
            differ = list(values[0]) != list(values[1])
            inner = field.message_type is not None and len(values[0]) == len(values[1])
            pairs = enumerate(zip(*values))
        else:
            there = [is_there(message, field) for message in (one, other)]
            differ = there[0] != there[1] or (all(there) and values[0] != values[1])
            inner = field.message_type is not None and all(there)
            pairs = [(None, values)]
        choice = (field.containing_oneof or field).name
        if differ and inner:
            for number, pair in pairs:
                at = (*key, choice, number), (*path, (field.name, number))
                found += differences(*pair, *at)
        elif differ:
            found.append(((*key, choice), (*path, (field.name, None))))
    return found


def _take(message, changed, path):
    """Gives a field of a message what it is in another."""
    *above, (last, _) = path
    for name, number in above:
        message, changed = (
            getattr(one, name) if number is None else getattr(one, name)[number]
            for one in (message, changed)
        )
    field = message.DESCRIPTOR.fields_by_name[last]
    message.ClearField(last)
    if not is_there(changed, field):
        return
    if repeated(field):
        getattr(message, last).extend(getattr(changed, last))
    elif field.message_type is not None:
        getattr(message, last).CopyFrom(getattr(changed, last))
    else:
        setattr(message, last, getattr(changed, last))
