"""``python -m bitspike.cli``: the command, for launchers that start modules."""

from bitspike.cli import main

if __name__ == "__main__":
    main()
