// Package abi is ABI tg1: the names, the memory layouts and the limits that a WebAssembly plug-in of Tidegate and its host share, and a codec for
// both sides. An author who writes Go needs package sdk instead; an author of another language needs this page only. Everything is
// little-endian.
//
// # Module
//
// A plug-in is a WebAssembly 1.0 module with the extensions mutable globals, sign extension, saturating conversion, multi-value and bulk memory. It
// is a reactor: it exports one memory under the name "memory", has no start section, and uses no threads, 64-bit memories, exceptions, SIMD, tail calls,
// reference types or table.grow. Names that begin with "__tg_" and the import module "__tg" belong to the host.
//
//	export                            meaning
//	tg_abi_1 ()                       marks the major version by its name; never called
//	_initialize ()                    optional; called once, first
//	tg_features (host i64) → i64      optional; gets the Feature bits of the host, returns those that it needs; a bit that the host lacks refuses the load
//	tg_alloc (n i32) → i32            the arena of the host: an address that is a multiple of 8, with n bytes behind it that the guest never touches
//	                                  between calls; once per instance, and again only to grow; 0 refuses
//	tg_configure (ptr, len i32) → i64 optional; the configuration document, see below; 0 or a result block
//	tg_validate (ptr, len i32) → i64  hook: a batch of rows; 0 accepts all, else ptr<<32 | len of a result block of kind verdicts or error
//	tg_retain (ptr, len i32) → i64    hook: a batch of stored rows (op scan); 0 keeps all, else a result block of kind actions or error
//	tg_notify (ptr, len i32) → i64    hook: a batch of alerts (op notify, columns AlertColumns); 0 is delivered, else a block of kind actions or error
//
// The host owns the arena, and the guest reads it during the call only. The guest owns the result block, which must stay as it is until the next call;
// the host checks its bounds and copies it. A trap is the plug-in's fault, a verdict is the data's: a host never takes one for the other.
//
// # Configuration document
//
// tg_configure gets a JSON object, once per instance, before any hook:
//
//	{"abi":1, "name":"…", "version":"…", "config":{…},
//	 "schemas":[{"id":0,"table":"orders","on":"validate","when":"statement","columns":["id","qty"]}, …],
//	 "lookups":[{"id":0,"name":"account"}, …]}
//
// schemas holds the hooks of the manifest in its order; schema_id of a batch is the id of one of them, and the columns of the batch are its columns.
//
// # Batch
//
//	offset size
//	0      4    magic "TGB1"
//	4      2    header_len: 32, more in later minor versions; what a guest does not know it skips
//	6      2    ncols: columns of an image
//	8      4    nrows
//	12     4    cells_off: where the cells begin, from the start of the batch; a multiple of 8
//	16     4    heap_off: where the heap begins; heap and cells come in either order
//	20     4    total: length of the batch
//	24     2    op: 1 insert, 2 update, 3 delete, 4 scan, 5 notify
//	26     2    images of a row: 2 for update (the new one, then the old one), else 1 (for delete the row that goes)
//	28     4    schema_id; of the answer of a lookup 0, or 1 where the query had more rows than the manifest's max_rows
//
// Cells follow row by row, within a row image by image, within an image column by column. A cell has 16 bytes:
//
//	offset size
//	0      8    value: the integer in two's complement, the bits of the float, or the offset of the bytes from the start of the batch
//	8      4    len: the length of text and blob in bytes; 0 for other types
//	12     1    type: 1 integer, 2 float, 3 text, 4 blob, 5 null
//	13     3    zero; what a guest does not know it ignores
//
// Bytes of text and blob lie inside the batch, at no particular alignment, and end without a zero byte. Text is UTF-8 as far as its writers saw to it.
//
// # Result block
//
//	offset size
//	0      2    kind: 1 verdicts, 2 actions, 3 error
//	2      2    version: 1
//	4      4    n: records
//	8      24×n records
//	…           messages
//
// A record has 24 bytes:
//
//	offset size
//	0      4    row: its number in the batch
//	4      4    code: the plug-in's own number of the rule
//	8      2    col: number of the column, 65535 for the row as a whole
//	10     1    action: verdicts: 1 reject, 2 warn; actions: 0 keep, 1 archive, 2 delete, 3 hold, 4 delivered, 5 retry, 6 drop
//	11     1    severity: 0 info, 1 warning, 2 error, 3 critical
//	12     4    msg_off: from the start of the block
//	16     4    msg_len
//	20     4    aux: retry: seconds to wait; else free
//
// A block has at most as many records as the batch has rows, names no row twice, holds at most MaxMessage bytes a message and MaxBlock bytes in all. Anything
// else is an ABI fault. A block of kind error has one record, of which the message counts: the plug-in could not do its work. The host replaces
// what is no valid UTF-8, and control characters, in messages.
//
// # Imports
//
// Module "tg", each function refused unless the manifest grants its capability (the same name):
//
//	log (level, ptr, len i32)                             0 debug, 1 info, 2 warning, 3 error; the host cuts and drops what is over its limits
//	metric_add (ptr, len i32, delta f64)                  adds to a counter of the plug-in
//	now () → i64                                          the instant of the batch in nanoseconds since 1970; constant within a call
//	lookup (query, ptr, len, out, cap i32) → i64          runs a query of the manifest with the first row of a batch (op scan) as arguments; the answer is a batch
//	kv_get (kptr, klen, out, cap i32) → i64               reads a value of the plug-in
//	kv_put (kptr, klen, vptr, vlen i32) → i64             writes one, in the transaction that is judged; vptr 0 removes it
//	outbox_put (eptr, elen, bptr, blen i32) → i64         hands the host a message for a named endpoint, delivered after the commit
//
// The i64 is the length of the answer, which the host has written to out if it is not more than cap, and not at all otherwise; or one of the Status numbers below
// zero. Module "wasi_snapshot_preview1" offers what Go's runtime calls: no files, no environment, no sockets, the clock of the batch,
// reproducible random numbers; what is written to standard output and error becomes log lines where log is granted, and part of a fault's message otherwise.
package abi
