"""The stages of an evaluation."""

from fashion_api.training.evaluate.stages import Moment, Stages


def test_stages_and_their_parts_add_up() -> None:
    """Each stage and each part is shown with the share of the time that all before it takes."""
    moments: list[Moment] = []
    stages = Stages({"read": 1, "measure": 6, "write": 3}, moments.append)
    stages.begin("read")
    begin_part = stages.begin("measure", parts=2)
    begin_part("left")
    begin_part("right")
    stages.begin("write")
    stages.end()
    assert [(moment.number, moment.stage, moment.part, round(moment.share, 3)) for moment in moments] == [
        (1, "read", "", 0.0),
        (2, "measure", "", 0.1),
        (2, "measure", "left", 0.1),
        (2, "measure", "right", 0.4),
        (3, "write", "", 0.7),
        (4, "", "", 1.0),
    ]
    assert {moment.count for moment in moments} == {3}


def test_more_parts_than_expected_do_not_pass_the_stage() -> None:
    """A stage that has more parts than was said stays within its share."""
    moments: list[Moment] = []
    stages = Stages({"measure": 1, "write": 1}, moments.append)
    begin_part = stages.begin("measure", parts=1)
    for part in "abc":
        begin_part(part)
    assert [moment.share for moment in moments] == [0.0, 0.0, 0.5, 0.5]
