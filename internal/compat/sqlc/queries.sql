-- name: OpenAccount :one
INSERT INTO accounts (owner, balance, opened) VALUES (?, ?, ?) RETURNING *;

-- name: Account :one
SELECT * FROM accounts WHERE id = ?;

-- name: ActiveAccounts :many
SELECT id, owner, opened FROM accounts WHERE active = TRUE AND opened < sqlc.arg(before) ORDER BY id;

-- name: AccountsByID :many
SELECT id, balance FROM accounts WHERE id IN (sqlc.slice(ids)) ORDER BY id;

-- name: Move :execrows
UPDATE accounts SET balance = balance + sqlc.arg(amount) WHERE id = sqlc.arg(id);

-- name: Book :execlastid
INSERT INTO entries (account, amount, proof) VALUES (?, ?, ?);

-- name: Statement :many
SELECT e.id, e.amount, e.proof, a.owner, a.note FROM entries e JOIN accounts a ON a.id = e.account WHERE a.id = ? ORDER BY e.id;

-- name: Retire :exec
UPDATE accounts SET active = FALSE, note = ? WHERE id = ?;
