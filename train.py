"""`python train.py objective=modpo w=0.1`: the same as `summpo train`."""

from summpo.commands.train import main

if __name__ == "__main__":
    main()
