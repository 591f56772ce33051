"""`python -m kvision` is `kvision`."""

from kvision.cli import main

if __name__ == "__main__":
    main()
