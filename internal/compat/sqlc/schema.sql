CREATE TABLE accounts (
  id      INTEGER PRIMARY KEY,
  owner   TEXT NOT NULL,
  balance INTEGER NOT NULL CHECK (balance >= 0),
  active  BOOLEAN NOT NULL DEFAULT TRUE,
  opened  DATETIME NOT NULL,
  note    TEXT
);

CREATE TABLE entries (
  id      INTEGER PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES accounts,
  amount  INTEGER NOT NULL,
  proof   BLOB
);
