"""Speed, as ratios to something in the same run: machines are shared, and seconds on one say nothing about another."""
