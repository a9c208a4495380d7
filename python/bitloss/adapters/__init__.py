"""Other programs' models, through `Comparison`. Each module imports its framework only when it is used."""
