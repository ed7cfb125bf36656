"""How right the predictions of `prefork simulate` are, and how `workers = auto` does beside a fixed number and uWSGI's cheaper."""
