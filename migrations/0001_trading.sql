-- migration: trading schema
-- compat: 0001                -- a program that does not know these tables must not open the database
-- +up

-- Reference data. Never archived, never deleted: everything else may point here.

CREATE TABLE currencies (
  ccy   TEXT    NOT NULL PRIMARY KEY CHECK (length(ccy) BETWEEN 2 AND 12),
  scale INTEGER NOT NULL CHECK (scale BETWEEN 0 AND 9),          -- 1 unit = 10^scale; cannot be changed once money exists
  kind  TEXT    NOT NULL CHECK (kind IN ('fiat','stable','crypto'))
) STRICT, WITHOUT ROWID;

CREATE TABLE instruments (
  instrument_id INTEGER NOT NULL PRIMARY KEY,
  venue         TEXT    NOT NULL,
  symbol        TEXT    NOT NULL,
  kind          TEXT    NOT NULL CHECK (kind IN ('spot','equity','fx','perp','future','option','cfd')),
  cash_settled  INTEGER NOT NULL CHECK (cash_settled IN (0,1)),  -- 1: margin instrument, only P&L moves cash
  base_ccy      TEXT    REFERENCES currencies,
  quote_ccy     TEXT    NOT NULL REFERENCES currencies,
  settle_ccy    TEXT    NOT NULL REFERENCES currencies,
  price_scale   INTEGER NOT NULL CHECK (price_scale BETWEEN 0 AND 9),
  qty_scale     INTEGER NOT NULL CHECK (qty_scale BETWEEN 0 AND 9),
  tick          INTEGER NOT NULL CHECK (tick > 0),
  lot           INTEGER NOT NULL CHECK (lot > 0),
  mult_num      INTEGER NOT NULL DEFAULT 1 CHECK (mult_num > 0),
  mult_den      INTEGER NOT NULL DEFAULT 1 CHECK (mult_den > 0),
  inverse       INTEGER NOT NULL DEFAULT 0 CHECK (inverse IN (0,1)),
  status        TEXT    NOT NULL DEFAULT 'active' CHECK (status IN ('active','halted','expired','delisted')),
  expiry_ts     INTEGER,
  UNIQUE (venue, symbol)
) STRICT;

CREATE TABLE accounts (
  account_id  INTEGER NOT NULL PRIMARY KEY,
  code        TEXT    NOT NULL UNIQUE,
  base_ccy    TEXT    NOT NULL REFERENCES currencies,
  kind        TEXT    NOT NULL CHECK (kind IN ('cash','margin','paper')),
  cost_method TEXT    NOT NULL DEFAULT 'average' CHECK (cost_method IN ('average','fifo')),
  status      TEXT    NOT NULL DEFAULT 'active' CHECK (status IN ('active','liquidate_only','closed'))
) STRICT;

CREATE TABLE strategies (
  strategy_id INTEGER NOT NULL PRIMARY KEY,
  code        TEXT    NOT NULL UNIQUE,
  version     TEXT    NOT NULL,
  status      TEXT    NOT NULL DEFAULT 'live' CHECK (status IN ('live','shadow','stopped'))
) STRICT;

CREATE TABLE risk_limits (
  limit_id      INTEGER NOT NULL PRIMARY KEY,
  account_id    INTEGER NOT NULL REFERENCES accounts,
  strategy_id   INTEGER REFERENCES strategies,
  instrument_id INTEGER REFERENCES instruments,
  kind          TEXT    NOT NULL CHECK (kind IN ('order_qty','order_notional','position_qty','gross_notional','open_orders','daily_loss','collar_bps')),
  value         INTEGER NOT NULL CHECK (value >= 0),
  enabled       INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0,1))
) STRICT;
CREATE UNIQUE INDEX risk_limits_scope ON risk_limits (account_id, kind, coalesce(instrument_id, 0), coalesce(strategy_id, 0));

CREATE TABLE corporate_actions (
  action_id     INTEGER NOT NULL PRIMARY KEY,
  instrument_id INTEGER NOT NULL REFERENCES instruments,
  kind          TEXT    NOT NULL CHECK (kind IN ('split','cash_dividend','stock_dividend','symbol_change','merger','delisting','expiry')),
  ex_date       INTEGER NOT NULL,
  ratio_num     INTEGER NOT NULL DEFAULT 1 CHECK (ratio_num > 0),
  ratio_den     INTEGER NOT NULL DEFAULT 1 CHECK (ratio_den > 0),
  cash_per_unit INTEGER NOT NULL DEFAULT 0,
  ccy           TEXT    REFERENCES currencies,
  applied_ts    INTEGER,
  UNIQUE (instrument_id, kind, ex_date)
) STRICT;

-- The venue's calendar: which trade_date an instant belongs to, and when a gap is a gap.
CREATE TABLE sessions (
  venue      TEXT    NOT NULL,
  trade_date INTEGER NOT NULL CHECK (trade_date BETWEEN 19700101 AND 99991231),
  open_ts    INTEGER NOT NULL,
  close_ts   INTEGER NOT NULL CHECK (close_ts > open_ts),
  PRIMARY KEY (venue, trade_date)
) STRICT, WITHOUT ROWID;

-- Market data. Clustered by (instrument, time): an as-of look-up is one seek.

CREATE TABLE quotes (
  instrument_id INTEGER NOT NULL REFERENCES instruments,
  ts            INTEGER NOT NULL,
  seq           INTEGER NOT NULL,
  bid           INTEGER NOT NULL,
  ask           INTEGER NOT NULL,
  bid_qty       INTEGER NOT NULL CHECK (bid_qty >= 0),
  ask_qty       INTEGER NOT NULL CHECK (ask_qty >= 0),
  PRIMARY KEY (instrument_id, ts, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE prints (
  instrument_id INTEGER NOT NULL REFERENCES instruments,
  ts            INTEGER NOT NULL,
  seq           INTEGER NOT NULL,
  px            INTEGER NOT NULL,
  qty           INTEGER NOT NULL CHECK (qty > 0),
  side          INTEGER NOT NULL CHECK (side IN (-1,0,1)),
  PRIMARY KEY (instrument_id, ts, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE bars (
  instrument_id INTEGER NOT NULL REFERENCES instruments,
  span_s        INTEGER NOT NULL CHECK (span_s > 0),
  ts            INTEGER NOT NULL,                                -- start of the bar
  open          INTEGER NOT NULL,
  high          INTEGER NOT NULL,
  low           INTEGER NOT NULL,
  close         INTEGER NOT NULL,
  volume        INTEGER NOT NULL CHECK (volume >= 0),
  notional      INTEGER NOT NULL,
  prints        INTEGER NOT NULL CHECK (prints >= 0),
  PRIMARY KEY (instrument_id, span_s, ts),
  CHECK (low <= high AND low <= open AND low <= close AND high >= open AND high >= close),
  CHECK (ts % (span_s * 1000000000) = 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE last_quotes (
  instrument_id INTEGER NOT NULL PRIMARY KEY REFERENCES instruments,
  ts            INTEGER NOT NULL,
  bid           INTEGER NOT NULL,
  ask           INTEGER NOT NULL,
  mark          INTEGER NOT NULL
) STRICT;

CREATE TABLE fx_rates (
  ccy     TEXT    NOT NULL REFERENCES currencies,
  ref_ccy TEXT    NOT NULL REFERENCES currencies,
  ts      INTEGER NOT NULL,
  rate_e9 INTEGER NOT NULL CHECK (rate_e9 > 0),                  -- 1 ccy = rate_e9 / 10^9 ref_ccy
  PRIMARY KEY (ccy, ref_ccy, ts)
) STRICT, WITHOUT ROWID;

-- Signals

CREATE TABLE signals (
  signal_id     INTEGER NOT NULL PRIMARY KEY,
  strategy_id   INTEGER NOT NULL REFERENCES strategies,
  instrument_id INTEGER NOT NULL REFERENCES instruments,
  side          INTEGER NOT NULL CHECK (side IN (-1,0,1)),
  strength      REAL    NOT NULL CHECK (strength BETWEEN 0 AND 1),
  ref_px        INTEGER NOT NULL,
  ts_event      INTEGER NOT NULL,
  expires_ts    INTEGER NOT NULL CHECK (expires_ts > ts_event),
  status        TEXT    NOT NULL DEFAULT 'new' CHECK (status IN ('new','acted','vetoed','expired')),
  attrs         TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(attrs))
) STRICT;
CREATE INDEX signals_latest ON signals (strategy_id, instrument_id, ts_event);
CREATE INDEX signals_new ON signals (strategy_id, expires_ts) WHERE status = 'new';

-- Ledger: one row moves an amount from one account to another of the same currency,
-- so a transaction that does not balance cannot be written.

CREATE TABLE ledger_accounts (
  ledger_id    INTEGER NOT NULL PRIMARY KEY,
  account_id   INTEGER NOT NULL REFERENCES accounts,
  role         TEXT    NOT NULL CHECK (role IN ('cash','trading','pnl','fees','funding','income','capital')),
  ccy          TEXT    NOT NULL REFERENCES currencies,
  debits       INTEGER NOT NULL DEFAULT 0 CHECK (debits >= 0),
  credits      INTEGER NOT NULL DEFAULT 0 CHECK (credits >= 0),
  held         INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),     -- reserved by open orders
  credit_limit INTEGER CHECK (credit_limit >= 0),                -- NULL: unbounded; cash accounts have one
  balance      INTEGER GENERATED ALWAYS AS (debits - credits) VIRTUAL,
  UNIQUE (account_id, role, ccy),
  UNIQUE (ledger_id, ccy),
  CHECK (role <> 'cash' OR credit_limit IS NOT NULL),
  CHECK (credit_limit IS NULL OR debits - credits - held + credit_limit >= 0)
) STRICT;

CREATE TABLE ledger_txns (
  txn_id        INTEGER NOT NULL PRIMARY KEY,
  account_id    INTEGER NOT NULL REFERENCES accounts,
  kind          TEXT    NOT NULL CHECK (kind IN ('trade','fee','funding','deposit','withdrawal','transfer','dividend','interest','fx','correction')),
  ref           INTEGER NOT NULL,                                -- what it books: exec_id, action_id, funding instant, the caller's id
  instrument_id INTEGER REFERENCES instruments,
  reverses      INTEGER REFERENCES ledger_txns,
  trade_date    INTEGER NOT NULL,
  ts_event      INTEGER NOT NULL,
  ts_recv       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX ledger_txns_once ON ledger_txns (kind, ref, account_id, coalesce(instrument_id, 0));   -- booked once
CREATE INDEX ledger_txns_statement ON ledger_txns (account_id, txn_id);
CREATE INDEX ledger_txns_reverses ON ledger_txns (reverses) WHERE reverses IS NOT NULL;

CREATE TABLE ledger_transfers (
  txn_id    INTEGER NOT NULL REFERENCES ledger_txns,
  line      INTEGER NOT NULL,
  debit_id  INTEGER NOT NULL,
  credit_id INTEGER NOT NULL,
  ccy       TEXT    NOT NULL,
  amount    INTEGER NOT NULL CHECK (amount > 0),
  PRIMARY KEY (txn_id, line),
  CHECK (debit_id <> credit_id),
  FOREIGN KEY (debit_id, ccy)  REFERENCES ledger_accounts (ledger_id, ccy),
  FOREIGN KEY (credit_id, ccy) REFERENCES ledger_accounts (ledger_id, ccy)
) STRICT, WITHOUT ROWID;

CREATE VIEW ledger_entries AS
  SELECT txn_id, line, debit_id AS ledger_id, ccy, amount FROM ledger_transfers
  UNION ALL
  SELECT txn_id, line, credit_id, ccy, -amount FROM ledger_transfers;

-- Orders. The row is the present; order_events, written by trigger, is its history. A change that is no legal
-- transition fails a foreign key, a fill that is no execution fails a trigger.

CREATE TABLE order_transitions (
  from_state TEXT NOT NULL,
  event      TEXT NOT NULL,
  to_state   TEXT NOT NULL,
  PRIMARY KEY (from_state, event, to_state)
) STRICT, WITHOUT ROWID;

INSERT INTO order_transitions (from_state, event, to_state) VALUES
 ('pending_new','ack','new'),('pending_new','reject','rejected'),('pending_new','fill','partially_filled'),('pending_new','fill','filled'),
 ('pending_new','cancel_request','pending_cancel'),('pending_new','cancel','canceled'),('pending_new','expire','expired'),
 ('new','fill','partially_filled'),('new','fill','filled'),('new','cancel_request','pending_cancel'),('new','cancel','canceled'),
 ('new','replace_request','pending_replace'),('new','replace','new'),('new','reject','rejected'),('new','expire','expired'),('new','trigger','new'),
 ('partially_filled','fill','partially_filled'),('partially_filled','fill','filled'),('partially_filled','bust','partially_filled'),('partially_filled','bust','new'),
 ('partially_filled','cancel_request','pending_cancel'),('partially_filled','cancel','canceled'),('partially_filled','replace_request','pending_replace'),
 ('partially_filled','replace','partially_filled'),('partially_filled','replace','filled'),('partially_filled','expire','expired'),
 ('pending_cancel','fill','pending_cancel'),('pending_cancel','fill','filled'),('pending_cancel','bust','pending_cancel'),('pending_cancel','cancel','canceled'),
 ('pending_cancel','cancel_reject','new'),('pending_cancel','cancel_reject','partially_filled'),('pending_cancel','cancel_request','pending_cancel'),
 ('pending_cancel','expire','expired'),('pending_cancel','reject','rejected'),('pending_cancel','ack','pending_cancel'),
 ('pending_replace','fill','pending_replace'),('pending_replace','fill','filled'),('pending_replace','bust','pending_replace'),
 ('pending_replace','replace','new'),('pending_replace','replace','partially_filled'),('pending_replace','replace','filled'),
 ('pending_replace','replace_reject','new'),('pending_replace','replace_reject','partially_filled'),('pending_replace','cancel_request','pending_cancel'),
 ('pending_replace','cancel','canceled'),('pending_replace','expire','expired'),
 ('filled','bust','partially_filled'),('filled','bust','new'),('filled','cancel_reject','filled'),('filled','replace_request','filled'),
 ('filled','replace_reject','filled'),('filled','replace','partially_filled'),('canceled','cancel_reject','canceled'),
 ('canceled','fill','canceled'),('canceled','fill','filled'),('canceled','bust','canceled'),
 ('expired','fill','expired'),('expired','fill','filled'),('expired','bust','expired');

CREATE TABLE orders (
  order_id        INTEGER NOT NULL PRIMARY KEY,
  account_id      INTEGER NOT NULL REFERENCES accounts,
  strategy_id     INTEGER NOT NULL REFERENCES strategies,
  instrument_id   INTEGER NOT NULL REFERENCES instruments,
  signal_id       INTEGER,
  parent_order_id INTEGER REFERENCES orders,
  client_order_id TEXT    NOT NULL,
  venue_order_id  TEXT,
  side            INTEGER NOT NULL CHECK (side IN (1,-1)),
  book            INTEGER NOT NULL DEFAULT 0 CHECK (book IN (-1,0,1)),   -- 0 netting; 1/-1 long/short leg of a hedging account
  type            TEXT    NOT NULL CHECK (type IN ('market','limit','stop','stop_limit','trailing')),
  tif             TEXT    NOT NULL CHECK (tif IN ('day','gtc','gtd','ioc','fok','opg','cls')),
  post_only       INTEGER NOT NULL DEFAULT 0 CHECK (post_only IN (0,1)),
  reduce_only     INTEGER NOT NULL DEFAULT 0 CHECK (reduce_only IN (0,1)),
  limit_px        INTEGER,
  stop_px         INTEGER,
  arrival_px      INTEGER,                                       -- mid when decided: what slippage is measured from
  qty             INTEGER NOT NULL CHECK (qty > 0),
  cum_qty         INTEGER NOT NULL DEFAULT 0 CHECK (cum_qty >= 0),
  leaves_qty      INTEGER NOT NULL CHECK (leaves_qty >= 0),
  canceled_qty    INTEGER NOT NULL DEFAULT 0 CHECK (canceled_qty >= 0),
  cum_notional    INTEGER NOT NULL DEFAULT 0,
  hold            INTEGER NOT NULL DEFAULT 0 CHECK (hold >= 0),
  hold_ledger_id  INTEGER REFERENCES ledger_accounts,
  state           TEXT    NOT NULL DEFAULT 'pending_new',
  event_seq       INTEGER NOT NULL DEFAULT 0,                    -- also the optimistic lock
  last_event      TEXT    NOT NULL DEFAULT 'submit',
  last_ref        TEXT,                                          -- ClOrdID of a cancel or replace, venue_exec_id of a fill, reason of a reject
  ts_created      INTEGER NOT NULL,
  ts_event        INTEGER NOT NULL,                              -- of the last event
  ts_recv         INTEGER NOT NULL,
  expire_ts       INTEGER,
  UNIQUE (account_id, client_order_id),
  CHECK (cum_qty + leaves_qty + canceled_qty = qty),
  CHECK ((leaves_qty = 0) = (state IN ('filled','canceled','rejected','expired'))),
  CHECK ((cum_qty = qty) = (state = 'filled')),
  CHECK (event_seq > 0 OR (state = 'pending_new' AND cum_qty = 0 AND canceled_qty = 0)),
  CHECK (type NOT IN ('limit','stop_limit') OR limit_px IS NOT NULL),
  CHECK (type NOT IN ('stop','stop_limit') OR stop_px IS NOT NULL),
  CHECK (hold = 0 OR (hold_ledger_id IS NOT NULL AND leaves_qty > 0))
) STRICT;
CREATE UNIQUE INDEX orders_venue ON orders (venue_order_id, account_id) WHERE venue_order_id IS NOT NULL;
CREATE INDEX orders_open         ON orders (account_id, instrument_id, side) WHERE leaves_qty > 0;
CREATE INDEX orders_by_strategy  ON orders (strategy_id);        -- the row id follows: strategy and time range
CREATE INDEX orders_by_parent    ON orders (parent_order_id) WHERE parent_order_id IS NOT NULL;

CREATE TABLE order_events (
  order_id   INTEGER NOT NULL REFERENCES orders,
  seq        INTEGER NOT NULL,
  event      TEXT    NOT NULL,
  from_state TEXT    NOT NULL,
  to_state   TEXT    NOT NULL,
  qty        INTEGER NOT NULL,                                   -- the terms and the fill after the event
  cum_qty    INTEGER NOT NULL,
  limit_px   INTEGER,
  ref        TEXT,
  ts_event   INTEGER NOT NULL,
  ts_recv    INTEGER NOT NULL,
  PRIMARY KEY (order_id, seq),
  FOREIGN KEY (from_state, event, to_state) REFERENCES order_transitions
) STRICT, WITHOUT ROWID;

CREATE TABLE executions (
  exec_id       INTEGER NOT NULL PRIMARY KEY,
  order_id      INTEGER NOT NULL REFERENCES orders,
  venue_exec_id TEXT    NOT NULL,
  account_id    INTEGER NOT NULL,
  strategy_id   INTEGER NOT NULL,
  instrument_id INTEGER NOT NULL,
  side          INTEGER NOT NULL CHECK (side IN (1,-1)),
  book          INTEGER NOT NULL DEFAULT 0,
  busts         INTEGER REFERENCES executions,                   -- set: this row takes that execution back (qty, notional negative)
  qty           INTEGER NOT NULL,
  px            INTEGER NOT NULL,
  notional      INTEGER NOT NULL,                                -- settle_ccy minor units, multiplier and rounding applied once, here
  realised      INTEGER NOT NULL DEFAULT 0,                      -- P&L that this fill closed, before fees
  fee           INTEGER NOT NULL DEFAULT 0,                      -- fee_ccy; a rebate is negative
  fee_ccy       TEXT    NOT NULL,
  fee_settle    INTEGER NOT NULL DEFAULT 0,                      -- the same fee in settle_ccy at the time
  liquidity     TEXT    NOT NULL CHECK (liquidity IN ('maker','taker','auction')),
  trade_date    INTEGER NOT NULL,                                -- yyyymmdd of the venue's trading day
  ts_event      INTEGER NOT NULL,
  ts_recv       INTEGER NOT NULL,
  UNIQUE (order_id, venue_exec_id),
  CHECK ((busts IS NULL AND qty > 0) OR (busts IS NOT NULL AND qty < 0))
) STRICT;
CREATE UNIQUE INDEX executions_bust ON executions (busts) WHERE busts IS NOT NULL;
CREATE INDEX executions_tape ON executions (instrument_id, ts_event);
CREATE INDEX executions_book ON executions (account_id, instrument_id);   -- the row id follows: FIFO order

-- A venue's report that the rules refuse (overfill, unknown order, mismatch) is kept here, never dropped.
CREATE TABLE execution_breaks (
  break_id  INTEGER NOT NULL PRIMARY KEY,
  venue     TEXT    NOT NULL,
  report    TEXT    NOT NULL CHECK (json_valid(report)),
  reason    TEXT    NOT NULL,
  ts_recv   INTEGER NOT NULL,
  state     TEXT    NOT NULL DEFAULT 'open' CHECK (state IN ('open','booked','ignored')),
  exec_id   INTEGER,
  actor     TEXT,
  CHECK ((state = 'open') = (actor IS NULL))
) STRICT;
CREATE INDEX execution_breaks_open ON execution_breaks (ts_recv) WHERE state = 'open';

-- Positions. cost = sum(side*notional) + sum(realised): the identity is the update rule.

CREATE TABLE positions (
  account_id    INTEGER NOT NULL REFERENCES accounts,
  instrument_id INTEGER NOT NULL REFERENCES instruments,
  strategy_id   INTEGER NOT NULL REFERENCES strategies,
  book          INTEGER NOT NULL CHECK (book IN (-1,0,1)),
  qty           INTEGER NOT NULL,
  cost          INTEGER NOT NULL,
  realised      INTEGER NOT NULL,
  fees          INTEGER NOT NULL,
  fills         INTEGER NOT NULL,
  last_exec_id  INTEGER NOT NULL,
  ts_updated    INTEGER NOT NULL,
  PRIMARY KEY (account_id, instrument_id, strategy_id, book),
  CHECK (qty <> 0 OR cost = 0),
  CHECK (book = 0 OR qty * book >= 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX positions_open ON positions (instrument_id) WHERE qty <> 0;

CREATE TABLE position_adjustments (
  adjustment_id INTEGER NOT NULL PRIMARY KEY,
  account_id    INTEGER NOT NULL,
  instrument_id INTEGER NOT NULL,
  strategy_id   INTEGER NOT NULL,
  book          INTEGER NOT NULL DEFAULT 0,
  kind          TEXT    NOT NULL CHECK (kind IN ('opening','split','base_fee','transfer','expiry','assignment','correction')),
  qty_delta     INTEGER NOT NULL,
  cost_delta    INTEGER NOT NULL,
  action_id     INTEGER REFERENCES corporate_actions,
  idem_key      TEXT    NOT NULL UNIQUE,
  ts_event      INTEGER NOT NULL,
  FOREIGN KEY (account_id, instrument_id, strategy_id, book) REFERENCES positions
) STRICT;
CREATE INDEX position_adjustments_position ON position_adjustments (account_id, instrument_id, strategy_id, book);
CREATE INDEX position_adjustments_action ON position_adjustments (action_id) WHERE action_id IS NOT NULL;

CREATE TABLE position_days (
  account_id    INTEGER NOT NULL,
  trade_date    INTEGER NOT NULL,
  instrument_id INTEGER NOT NULL,
  strategy_id   INTEGER NOT NULL,
  fills         INTEGER NOT NULL,
  buy_qty       INTEGER NOT NULL,
  sell_qty      INTEGER NOT NULL,
  buy_notional  INTEGER NOT NULL,
  sell_notional INTEGER NOT NULL,
  realised      INTEGER NOT NULL,
  fees          INTEGER NOT NULL,
  PRIMARY KEY (account_id, trade_date, instrument_id, strategy_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX position_days_by_date ON position_days (trade_date, instrument_id);

CREATE TABLE portfolio_snapshots (
  account_id  INTEGER NOT NULL REFERENCES accounts,
  ts          INTEGER NOT NULL,
  equity      INTEGER NOT NULL,
  cash        INTEGER NOT NULL,
  gross       INTEGER NOT NULL,
  net         INTEGER NOT NULL,
  realised    INTEGER NOT NULL,
  unrealised  INTEGER NOT NULL,
  fees        INTEGER NOT NULL,
  open_orders INTEGER NOT NULL,
  PRIMARY KEY (account_id, ts),
  CHECK (equity = cash + net)
) STRICT, WITHOUT ROWID;

-- Triggers. All ABORT: the statement is undone, the caller's savepoint lives.

CREATE TRIGGER ledger_transfers_once BEFORE INSERT ON ledger_transfers   -- OR REPLACE would move the money twice
WHEN EXISTS (SELECT 1 FROM ledger_transfers WHERE txn_id = NEW.txn_id AND line = NEW.line) BEGIN
  SELECT RAISE(ABORT, 'ledger_transfers: already posted');
END;
CREATE TRIGGER ledger_transfers_apply AFTER INSERT ON ledger_transfers BEGIN
  UPDATE ledger_accounts SET debits  = debits  + NEW.amount WHERE ledger_id = NEW.debit_id;
  UPDATE ledger_accounts SET credits = credits + NEW.amount WHERE ledger_id = NEW.credit_id;
END;

CREATE TRIGGER orders_insert AFTER INSERT ON orders BEGIN           -- INSERT OR REPLACE must not restart an order
  SELECT RAISE(ABORT, 'orders: this order has a history') WHERE EXISTS (SELECT 1 FROM order_events WHERE order_id = NEW.order_id);
  UPDATE ledger_accounts SET held = held + NEW.hold WHERE ledger_id = NEW.hold_ledger_id AND NEW.hold > 0;
END;
CREATE TRIGGER orders_hold_update AFTER UPDATE OF hold ON orders WHEN NEW.hold <> OLD.hold BEGIN
  UPDATE ledger_accounts SET held = held + NEW.hold - OLD.hold WHERE ledger_id = NEW.hold_ledger_id;
END;

CREATE TRIGGER orders_guard BEFORE UPDATE OF state, qty, cum_qty, leaves_qty, canceled_qty, cum_notional, limit_px ON orders
WHEN NEW.event_seq <> OLD.event_seq + 1 BEGIN
  SELECT RAISE(ABORT, 'orders: a change of state, terms or quantities is an event: event_seq + 1');
END;
CREATE TRIGGER orders_fills BEFORE UPDATE OF cum_qty, cum_notional ON orders WHEN NEW.last_event NOT IN ('fill','bust') BEGIN
  SELECT RAISE(ABORT, 'orders: filled quantity changes by executions only');
END;
CREATE TRIGGER orders_log AFTER UPDATE OF event_seq ON orders BEGIN
  INSERT INTO order_events (order_id, seq, event, from_state, to_state, qty, cum_qty, limit_px, ref, ts_event, ts_recv)
  VALUES (NEW.order_id, NEW.event_seq, NEW.last_event, OLD.state, NEW.state, NEW.qty, NEW.cum_qty, NEW.limit_px, NEW.last_ref, NEW.ts_event, NEW.ts_recv);
END;

CREATE TRIGGER executions_apply AFTER INSERT ON executions BEGIN
  SELECT RAISE(ABORT, 'executions: already applied')               -- OR REPLACE would count it twice
    WHERE EXISTS (SELECT 1 FROM order_events WHERE order_id = NEW.order_id AND ref = NEW.venue_exec_id AND event IN ('fill','bust'));
  UPDATE orders SET
    state        = CASE WHEN cum_qty + NEW.qty = qty THEN 'filled'
                        WHEN state NOT IN ('pending_new','new','partially_filled','filled') THEN state
                        WHEN cum_qty + NEW.qty = 0 THEN 'new' ELSE 'partially_filled' END,
    event_seq    = event_seq + 1,
    last_event   = CASE WHEN NEW.qty > 0 THEN 'fill' ELSE 'bust' END,
    last_ref     = NEW.venue_exec_id,
    ts_event     = NEW.ts_event,
    ts_recv      = NEW.ts_recv,
    cum_qty      = cum_qty + NEW.qty,
    cum_notional = cum_notional + NEW.notional,
    leaves_qty   = CASE WHEN NEW.qty > 0 THEN max(leaves_qty - NEW.qty, 0)
                        WHEN state IN ('canceled','expired') THEN leaves_qty ELSE leaves_qty - NEW.qty END,
    canceled_qty = CASE WHEN NEW.qty > 0 THEN canceled_qty - max(NEW.qty - leaves_qty, 0)
                        WHEN state IN ('canceled','expired') THEN canceled_qty - NEW.qty ELSE canceled_qty END,
    hold         = CASE WHEN NEW.qty >= leaves_qty OR leaves_qty = 0 THEN 0
                        WHEN NEW.qty < 0 THEN hold
                        ELSE hold - CAST(hold * (CAST(NEW.qty AS REAL) / leaves_qty) AS INTEGER) END
  WHERE order_id = NEW.order_id AND account_id = NEW.account_id AND strategy_id = NEW.strategy_id
    AND instrument_id = NEW.instrument_id AND side = NEW.side AND book = NEW.book;
  SELECT RAISE(ABORT, 'executions: does not match its order') WHERE changes() = 0;
  INSERT INTO positions (account_id, instrument_id, strategy_id, book, qty, cost, realised, fees, fills, last_exec_id, ts_updated)
    VALUES (NEW.account_id, NEW.instrument_id, NEW.strategy_id, NEW.book, NEW.side * NEW.qty, NEW.side * NEW.notional + NEW.realised,
            NEW.realised, NEW.fee_settle, 1, NEW.exec_id, NEW.ts_event)
    ON CONFLICT (account_id, instrument_id, strategy_id, book) DO UPDATE SET
      qty = qty + excluded.qty, cost = cost + excluded.cost, realised = realised + excluded.realised, fees = fees + excluded.fees,
      fills = fills + 1, last_exec_id = excluded.last_exec_id, ts_updated = excluded.ts_updated;
  INSERT INTO position_days (account_id, trade_date, instrument_id, strategy_id, fills, buy_qty, sell_qty, buy_notional, sell_notional, realised, fees)
    VALUES (NEW.account_id, NEW.trade_date, NEW.instrument_id, NEW.strategy_id, 1,
            CASE WHEN NEW.side = 1 THEN NEW.qty ELSE 0 END, CASE WHEN NEW.side = 1 THEN 0 ELSE NEW.qty END,
            CASE WHEN NEW.side = 1 THEN NEW.notional ELSE 0 END, CASE WHEN NEW.side = 1 THEN 0 ELSE NEW.notional END,
            NEW.realised, NEW.fee_settle)
    ON CONFLICT (account_id, trade_date, instrument_id, strategy_id) DO UPDATE SET
      fills = fills + 1, buy_qty = buy_qty + excluded.buy_qty, sell_qty = sell_qty + excluded.sell_qty,
      buy_notional = buy_notional + excluded.buy_notional, sell_notional = sell_notional + excluded.sell_notional,
      realised = realised + excluded.realised, fees = fees + excluded.fees;
END;

CREATE TRIGGER position_adjustments_apply AFTER INSERT ON position_adjustments BEGIN
  UPDATE positions SET qty = qty + NEW.qty_delta, cost = cost + NEW.cost_delta, ts_updated = NEW.ts_event
   WHERE account_id = NEW.account_id AND instrument_id = NEW.instrument_id AND strategy_id = NEW.strategy_id AND book = NEW.book;
END;

CREATE TRIGGER executions_fixed BEFORE UPDATE ON executions BEGIN SELECT RAISE(ABORT, 'executions: rows are facts; write a bust'); END;
CREATE TRIGGER order_events_fixed BEFORE UPDATE ON order_events BEGIN SELECT RAISE(ABORT, 'order_events: append only'); END;
CREATE TRIGGER ledger_txns_fixed BEFORE UPDATE ON ledger_txns BEGIN SELECT RAISE(ABORT, 'ledger_txns: append only; write a reversal'); END;
CREATE TRIGGER ledger_transfers_fixed BEFORE UPDATE ON ledger_transfers BEGIN SELECT RAISE(ABORT, 'ledger_transfers: append only; write a reversal'); END;

-- +down

-- Children before parents; triggers and indexes go with their table.

DROP VIEW ledger_entries;
DROP TABLE portfolio_snapshots;
DROP TABLE position_days;
DROP TABLE position_adjustments;
DROP TABLE positions;
DROP TABLE execution_breaks;
DROP TABLE executions;
DROP TABLE order_events;
DROP TABLE orders;
DROP TABLE order_transitions;
DROP TABLE ledger_transfers;
DROP TABLE ledger_txns;
DROP TABLE ledger_accounts;
DROP TABLE signals;
DROP TABLE fx_rates;
DROP TABLE last_quotes;
DROP TABLE bars;
DROP TABLE prints;
DROP TABLE quotes;
DROP TABLE sessions;
DROP TABLE corporate_actions;
DROP TABLE risk_limits;
DROP TABLE strategies;
DROP TABLE accounts;
DROP TABLE instruments;
DROP TABLE currencies;

-- +verify

-- The legal transitions are data: one lost row would refuse every order that needs it.
SELECT count(*) FROM order_transitions HAVING count(*) <> 60;
-- The rules live in triggers; a schema without one of them still works, and lets wrong books in.
SELECT column1 FROM (VALUES
  ('ledger_transfers_once'), ('ledger_transfers_apply'), ('orders_insert'), ('orders_hold_update'), ('orders_guard'),
  ('orders_fills'), ('orders_log'), ('executions_apply'), ('position_adjustments_apply'), ('executions_fixed'),
  ('order_events_fixed'), ('ledger_txns_fixed'), ('ledger_transfers_fixed'))
 EXCEPT SELECT name FROM sqlite_schema WHERE type = 'trigger';
SELECT column1 FROM (VALUES
  ('risk_limits_scope'), ('signals_latest'), ('signals_new'), ('ledger_txns_once'), ('ledger_txns_statement'),
  ('ledger_txns_reverses'), ('orders_venue'), ('orders_open'), ('orders_by_strategy'), ('orders_by_parent'),
  ('executions_bust'), ('executions_tape'), ('executions_book'), ('execution_breaks_open'), ('positions_open'),
  ('position_adjustments_position'), ('position_adjustments_action'), ('position_days_by_date'))
 EXCEPT SELECT name FROM sqlite_schema WHERE type = 'index';
-- A table that is not STRICT takes '12.5' for money.
SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('orders', 'executions', 'positions', 'ledger_accounts', 'ledger_transfers')
 AND sql NOT LIKE '%) STRICT%';
