"""What is measured: one module a scenario, each with NAME, TITLE, METHOD, ROUNDS, COLUMNS and `measure(server, lab)`.

`measure` returns the round's figures by column key, without those the server has no means for, and raises ServerFailed.
"""
