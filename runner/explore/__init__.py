"""What can be known beside training: schedules in advance, the learning-rate range test, finished runs evaluated again.

It imports training and what lies below it, and nothing of launch, its neighbour.
"""
