// Package convert changes the type of a column without losing a value.
//
// A migration asks for it with a header line:
//
//	-- convert: trades.price TEXT -> INTEGER using dec(6) null=keep on_loss=quarantine
//
// [Parse] reads the line, [Analyse] reads every row and says what would be lost without writing anything, [Apply] converts, and
// [Revert] takes the conversion back to the original bytes and storage classes. All of it runs inside the caller's transaction.
//
// # Strictness
//
// Codecs are written in Go and never use CAST, which makes 12 of '12abc' without a word. A value is converted when it comes back
// as the same value; each row is proven so, once when it is computed and once more when it is read back from where it was
// stored. What comes back as the same number in another spelling ('1.50' as '1.5') is converted, and the spelling is
// kept in the table of [QuarantineTable]. What does not come back at all is a loss: it aborts the migration, or, when the directive says
// so, the column gets NULL or a stated value and the old one is kept in the same table.
//
// # Two ways
//
// Where it can, a conversion stays in place: a shadow column is added and filled, the old one dropped, the new one renamed.
// Children, indexes, triggers, views and sequences stay what they were; only the column's position moves to the end. Where SQLite cannot drop
// the column (a key, UNIQUE, CHECK, a generated column that reads it, a foreign key, WITHOUT ROWID), the table is rebuilt by
// SQLite's own procedure. [Revert] always prefers to rebuild, because only that brings the original text of the schema back.
//
// Nothing here is safe for concurrent use of one connection; the directive itself may be shared.
package convert
