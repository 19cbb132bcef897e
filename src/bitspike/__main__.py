"""``python -m bitspike``: the command."""

from bitspike.cli import main

if __name__ == "__main__":
    main()
