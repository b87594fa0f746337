"""The command as `python -m tinygrad_edu.cli`."""

from .commands import main

if __name__ == "__main__":
    main()
