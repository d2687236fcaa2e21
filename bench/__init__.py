"""`make bench`: what Penstock costs and gains, measured in one run on one machine, as ratios."""
