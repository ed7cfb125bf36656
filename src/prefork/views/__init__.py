"""What the command line shows: settings explained, and a running server's state. Views turn values into text and ask nobody."""
