"""``python -m asyncrgb``."""

if __name__ == "__main__":
    from asyncrgb.cli import main

    main()
