"""Celery's side: one screen a file, no logic. A task is a hint: it may come twice, late, or never."""
