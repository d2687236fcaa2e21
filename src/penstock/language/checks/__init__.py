"""The checks that validation is made of, one file per subject; each takes all and reports."""
