"""Fuzz one target for so many seconds, guided by coverage; without atheris, by hypothesis.

    python -m tests.fuzz.run TARGET SECONDS FOLDER

Inputs that reach new code come into FOLDER; one that breaks something becomes `crash-…` there and ends the run.
"""

import sys
import time
from pathlib import Path

LONGEST_INPUT = 4096
LONGEST_SECONDS = 1  # of one input
MOST_MEGABYTES = 512


def fuzz_with_atheris(name: str, seconds: int, folder: Path) -> None:
    """Guided by coverage; does not return."""
    import atheris

    with atheris.instrument_imports(include=["validatord"]):
        from tests.fuzz import targets

    corpus = Path(__file__).parents[1] / "corpus" / name
    limits = {
        "max_total_time": seconds,
        "max_len": LONGEST_INPUT,
        "timeout": LONGEST_SECONDS,
        "rss_limit_mb": MOST_MEGABYTES,
        "artifact_prefix": f"{folder}/",
    }
    words = [sys.argv[0], *(f"-{key}={value}" for key, value in limits.items()), str(folder), str(corpus)]
    atheris.Setup(words, targets.TARGETS[name])
    atheris.Fuzz()


def fuzz_with_hypothesis(name: str, seconds: int, folder: Path) -> None:
    """Where atheris has no wheel."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    from tests.fuzz import targets

    known = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "corpus" / name).iterdir())]
    inputs = st.one_of(
        st.binary(max_size=LONGEST_INPUT),
        st.builds(
            lambda data, place, more: data[:place] + more + data[place:],
            st.sampled_from(known),
            st.integers(0, 200),
            st.binary(max_size=20),
        ),
    )
    end = time.monotonic() + seconds

    @settings(deadline=LONGEST_SECONDS * 1000, max_examples=500, suppress_health_check=list(HealthCheck), database=None)
    @given(inputs)
    def run(data: bytes) -> None:
        try:
            targets.TARGETS[name](data)
        except BaseException:
            (folder / "crash-hypothesis").write_bytes(data)
            raise

    while time.monotonic() < end:
        run()


def main() -> None:
    """Run."""
    name, seconds, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    sys.argv[1:] = []
    try:
        import atheris  # noqa: F401
    except ImportError:
        fuzz_with_hypothesis(name, seconds, folder)
    else:
        fuzz_with_atheris(name, seconds, folder)


if __name__ == "__main__":
    main()
