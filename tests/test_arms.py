import pytest

from bench.arms import Arm, parse_arm
from bench.errors import UsageError


@pytest.mark.parametrize("text", ["synthetic", "real", "refined(x-y)", "hybrid(synthetic)", "hybrid(x)@50", "joint(x)"])
def test_arms_survive_a_round_trip(text: str) -> None:
    assert str(parse_arm(text)) == text


def test_refiner_of_an_arm() -> None:
    assert parse_arm("refined(x)").refiner == "x"
    assert parse_arm("hybrid(synthetic)").refiner == ""
    assert parse_arm("hybrid(x)@7") == Arm("hybrid", "x", 7)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("refind(x)", "did you mean 'refined'"),
        ("refined", "refined(NAME)"),
        ("real(x)", "write 'real'"),
        ("refined(synthetic)", "refiner's name"),
        ("real@5", "only hybrid arms"),
        ("hybrid(x", "did you mean 'hybrid'"),
    ],
)
def test_wrong_arms_are_named(text: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_arm(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
