"""The libraries of the extra `ml`, loaded when they are first needed: applying a model needs none of them."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from validatord.errors import ConfigurationError

_MISSING = "training and drawing need the extra ml: pip install 'validatord[ml]'; a trained model works without it"


@dataclass(frozen=True, slots=True)
class Sklearn:
    """What is used of scikit-learn, and the arrays it works on."""

    arrays: Any
    scaler: Any
    regression: Any
    isotonic: Any


def load_sklearn() -> Sklearn:
    """Load scikit-learn.

    Raises:
        ConfigurationError: it is not installed; names the extra.
    """
    with _named_if_missing():
        import numpy as np  # noqa: PLC0415 heavy, and not everybody has it
        from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 # pyright: ignore[reportUnknownVariableType]
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
        from sklearn.preprocessing import StandardScaler  # noqa: PLC0415
    return Sklearn(np, StandardScaler, LogisticRegression, IsotonicRegression)


def load_figure() -> Any:
    """Load matplotlib's figure with the backend that needs no screen.

    Raises:
        ConfigurationError: it is not installed; names the extra.
    """
    with _named_if_missing():
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 as above
        from matplotlib.figure import Figure  # noqa: PLC0415

    def make(**options: Any) -> Any:
        figure = Figure(**options)
        FigureCanvasAgg(figure)
        return figure

    return make


@contextmanager
def _named_if_missing() -> Generator[None]:
    try:
        yield
    except ImportError as error:
        raise ConfigurationError([f"{_MISSING} ({error.name or error} is not installed)"]) from None
