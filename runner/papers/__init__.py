"""What papers say, how their tables are run here, and what the runs on disk say of their claims.

It imports launch, explore and what lies below them.
"""
