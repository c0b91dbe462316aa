"""Records in, words out: tables, figures and verdicts."""

from convsim.extras import extra

with extra("experiments"):  # asked for here once, for all modules of the room
    import matplotlib  # noqa: F401
    import plotly  # noqa: F401
