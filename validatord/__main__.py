"""`python -m validatord` and the `validatord` command."""

from validatord.cli.main import run


def main() -> None:
    """Run the command line."""
    run()


if __name__ == "__main__":
    main()
