"""Where evidence comes from. Each probe looks at one thing and changes nothing; what cannot be looked at is `Unseen`, with why."""
