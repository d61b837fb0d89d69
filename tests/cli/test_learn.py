"""fwdad learn: the way of a learner from the list to the last hint."""

import json

import pytest

from fwdad.learn import EXERCISES

DUAL = EXERCISES["dual"]


@pytest.fixture
def answer(elsewhere, tmp_path, monkeypatch):
    """Where the answer to the first exercise is."""
    monkeypatch.delenv("FWDAD_LEARN", raising=False)
    return tmp_path / "fwdad-learn" / "dual.py"


def test_the_way_through_an_exercise(fwdad_, answer):
    code, out, _ = fwdad_("learn")
    assert code == 0
    assert out.startswith(f"0 of {len(EXERCISES)} exercises passed")
    assert not answer.exists()

    code, out, _ = fwdad_("learn", "dual")
    assert code == 0
    assert DUAL.title in out
    assert DUAL.starter in answer.read_text()

    code, _, err = fwdad_("learn", "solution")
    assert code == 2
    assert "try first" in err

    code, out, _ = fwdad_("learn", "check")  # of the starter: no attempt
    assert code == 1
    assert "derivative is yours to write" in out
    assert "solution" not in out

    answer.write_text(DUAL.solution.replace("return dual(other) - self", "return self - other"))
    code, out, _ = fwdad_("learn", "check", "dual")
    assert code == 1
    wrong = out[out.index("wrong") :].splitlines()
    assert wrong[0].startswith("wrong  the slope of 3 - x at x = ")
    assert [line.split() for line in wrong[1:3]] == [["expected", "-1"], ["given", "1"]]
    assert "begun" not in fwdad_("learn")[1]

    code, out, _ = fwdad_("learn", "solution")
    assert code == 0
    assert out == DUAL.solution

    code, out, _ = fwdad_("learn", "dual")  # never over one's own
    assert "Your answer is in" in out
    assert "return self - other" in answer.read_text()

    answer.write_text(DUAL.solution)
    code, out, _ = fwdad_("learn", "check")
    assert code == 0
    assert "Passed. Next: fwdad learn rule-row" in out
    code, out, _ = fwdad_("learn")
    assert out.startswith(f"1 of {len(EXERCISES)} exercises passed")
    assert json.loads((answer.parent / "progress.json").read_text())["exercises"]["dual"] == {
        "attempts": 2,
        "hints": 0,
        "passed": True,
    }


def test_hints_come_one_by_one(fwdad_, answer):
    fwdad_("learn", "dual")
    for number in [*range(1, len(DUAL.hints) + 1), len(DUAL.hints)]:
        code, out, _ = fwdad_("learn", "hint")
        assert code == 0
        assert [f"{i} of" in out for i in range(1, len(DUAL.hints) + 1)] == [
            i <= number for i in range(1, len(DUAL.hints) + 1)
        ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["learn", "check"], "which exercise?"),
        (["learn", "hint", "dual"], "dual.py does not exist; fwdad learn dual writes it"),
        (["learn", "duel"], "'duel' is not one of 'dual'"),
        (["learn", "check", "duel"], "'duel' is not one of 'dual'"),
    ],
)
def test_errors_say_what_to_do(fwdad_, answer, words, said):
    code, _, err = fwdad_(*words)
    assert code == 2
    assert said in err
    assert not answer.parent.exists()


def test_damaged_progress_is_named(fwdad_, answer):
    answer.parent.mkdir()
    (answer.parent / "progress.json").write_text('{"last": "dual", "exercises": {"dual": {"attempts": -1}}}')
    code, _, err = fwdad_("learn")
    assert code == 2
    assert "progress.json cannot be read" in err
    assert "delete it" in err


def test_inside_the_folder_it_is_the_folder(fwdad_, answer, monkeypatch):
    fwdad_("learn", "dual")
    monkeypatch.chdir(answer.parent)
    code, out, _ = fwdad_("learn", "hint")
    assert code == 0
    assert out.startswith("1 of ")


def test_the_folder_is_chosen(fwdad_, answer, tmp_path, monkeypatch):
    assert fwdad_("learn", "dual", "--folder", "a")[0] == 0
    monkeypatch.setenv("FWDAD_LEARN", "b")
    assert fwdad_("learn", "dual")[0] == 0
    assert [(tmp_path / name / "dual.py").exists() for name in ("a", "b", "fwdad-learn")] == [True, True, False]
