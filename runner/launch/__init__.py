"""Many runs at once: each in a process of its own, and every one accounted for.

It imports training and what lies below it, and nothing of explore, its neighbour.
"""
