-- Which jobs the code of each node has. What none of them has was removed: nobody begins it, and nobody misses it.

CREATE TABLE prefork.nodes (
    node    text PRIMARY KEY,
    jobs    text[] NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);
