"""The geometry of the charts."""

from itertools import pairwise

import pytest

from notifier.admin.kit.charts import WIDTH, bars


@pytest.mark.parametrize("days", [1, 14, 30, 90])
def test_every_label_is_inside_the_chart_and_today_has_one(days: int) -> None:
    chart = bars([(f"{day} Nov", {"sent": day}) for day in range(1, days + 1)], ["sent"])
    labelled = [bar for bar in chart.bars if bar.labelled]
    assert labelled[-1] is chart.bars[-1]
    # "30 Nov" is about 36 units wide.
    middles = [bar.x + bar.width / 2 for bar in labelled]
    assert all(18 <= middle <= WIDTH - 18 for middle in middles)
    assert all(later - earlier >= 36 for earlier, later in pairwise(middles))
