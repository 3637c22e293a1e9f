"""Commands that are refused."""

import pytest
from bad_inputs import Place, tree


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
