-- What the lab's application keeps. Run as the site's role in the site's database.
CREATE TABLE IF NOT EXISTS orders (key bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS fulfilled (key bigint NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
