package trace

import "strings"

// summarize fills Summary, Operation and Collection.
func (q *Query) summarize(tokens []token) {
	s := summarizer{tokens: tokens, lists: []bool{false}, defined: map[string]bool{}, tables: map[string]bool{}}
	s.run()
	// Copies: a piece of the SQL would keep all of it alive, literals too, as long as the description lives.
	q.Operation = strings.Clone(s.operation())
	q.Summary = strings.Clone(s.join())
	if len(s.tables) == 1 {
		for name := range s.tables {
			q.Collection = strings.Clone(name)
		}
	}
}

// summarizer walks a statement once and notes each operation with the tables it names.
type summarizer struct {
	tokens  []token
	at      int
	lists   []bool          // per open bracket: inside a FROM list, where a comma introduces another table
	defined map[string]bool // names that WITH gives: they are no tables
	withs   int

	main  string // the statement's own verb, once seen
	parts []part
	size  int // bytes that the parts take in the summary
	// tables holds the distinct tables named.
	tables map[string]bool
}

// part is one word of the summary: an operation or a name that belongs to the operation before it.
type part struct {
	text    string
	isName  bool
	defined bool // an operation on what WITH had defined
}

// maxWiths bounds the WITH clauses that are read ahead, so that hostile SQL costs no more than its length.
const maxWiths = 16

func (s *summarizer) run() {
	if s.peek(0).is("EXPLAIN") {
		s.at++
		if s.peek(0).is("QUERY") && s.peek(1).is("PLAN") {
			s.at += 2
		}
		s.begin("EXPLAIN")
	}
	if s.oneClause() {
		return
	}
	for s.at < len(s.tokens) {
		s.step()
	}
}

// peek returns the token at a distance from the current one, or one that matches nothing.
func (s *summarizer) peek(distance int) token {
	if i := s.at + distance; i >= 0 && i < len(s.tokens) {
		return s.tokens[i]
	}
	return token{kind: unknown}
}

// oneClause handles the statements whose first words say all: CREATE, PRAGMA, BEGIN and their like.
func (s *summarizer) oneClause() bool {
	if s.peek(0).kind != word {
		return false
	}
	switch verb := strings.ToUpper(s.peek(0).text); verb {
	case "CREATE", "DROP", "ALTER":
		return s.definition(verb)
	case "ANALYZE":
		s.at++
		s.begin(verb)
		s.table()
		return true
	case "PRAGMA", "REINDEX":
		s.at++
		s.begin(verb)
		s.name()
		return true
	case "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "VACUUM", "ATTACH", "DETACH":
		s.begin(verb) // what follows is a mode, a savepoint's name or a file
		return true
	}
	return false
}

// definition handles CREATE, DROP and ALTER. It returns false for CREATE … AS SELECT, whose query follows.
func (s *summarizer) definition(verb string) bool {
	s.at++
	for s.peek(0).is("TEMP") || s.peek(0).is("TEMPORARY") || s.peek(0).is("UNIQUE") || s.peek(0).is("VIRTUAL") {
		s.at++
	}
	object := strings.ToUpper(s.peek(0).text)
	switch object {
	case "TABLE", "VIEW", "INDEX", "TRIGGER":
	default:
		s.begin(verb)
		return true
	}
	s.at++
	s.begin(verb + " " + object)
	for s.peek(0).is("IF") || s.peek(0).is("NOT") || s.peek(0).is("EXISTS") {
		s.at++
	}
	if object == "TABLE" || object == "VIEW" {
		s.table()
		return !s.peek(0).is("AS")
	}
	s.name()
	if s.peek(0).is("ON") {
		s.at++
		s.table()
	}
	return true
}

// step looks at one token of a query or of a statement that changes rows.
func (s *summarizer) step() {
	t := s.peek(0)
	s.at++
	if t.kind == operator {
		s.punctuation(t.text)
		return
	}
	if t.kind != word {
		return
	}
	depth := len(s.lists) - 1
	switch verb := strings.ToUpper(t.text); verb {
	case "SELECT":
		s.lists[depth] = false
		s.operate(verb, depth)
	case "VALUES", "INSERT", "DELETE", "UPDATE", "REPLACE":
		// Verbs only at the start of a statement: DO UPDATE continues an INSERT, replace() is a function as well.
		if depth == 0 && s.main == "" {
			s.operate(verb, depth)
			s.changed(verb)
		}
	case "WITH":
		s.definitions()
	case "FROM":
		if !s.peek(-2).is("DISTINCT") { // a IS DISTINCT FROM b
			s.lists[depth] = true
			s.table()
		}
	case "JOIN":
		s.table()
	case "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "WINDOW", "SET", "UNION", "INTERSECT", "EXCEPT", "RETURNING":
		s.lists[depth] = false
	}
}

// changed takes the table that follows a verb which changes rows; that of DELETE follows FROM.
func (s *summarizer) changed(verb string) {
	if s.peek(0).is("OR") {
		s.at += 2
	}
	switch {
	case verb == "UPDATE":
		s.table()
	case s.peek(0).is("INTO"):
		s.at++
		s.table()
	}
}

func (s *summarizer) punctuation(op string) {
	inList := s.lists[len(s.lists)-1]
	switch op {
	case "(":
		before := s.peek(-2)
		nested := inList && (before.is("FROM") || before.is("JOIN") || before.op(",") || before.op("("))
		s.lists = append(s.lists, nested)
		if nested {
			s.table()
		}
	case ")":
		if len(s.lists) > 1 {
			s.lists = s.lists[:len(s.lists)-1]
		}
	case ",":
		if inList {
			s.table()
		}
	}
}

// definitions reads ahead for the names that WITH gives: name [(columns)] AS [NOT MATERIALIZED] ( … ), ….
func (s *summarizer) definitions() {
	if s.withs++; s.withs > maxWiths {
		return
	}
	depth := 0
	for i := s.at; i+1 < len(s.tokens); i++ {
		t, next := s.tokens[i], s.tokens[i+1]
		switch {
		case t.op("("):
			depth++
		case t.op(")"):
			depth--
		case depth < 0, depth == 0 && (t.is("SELECT") || t.is("INSERT") || t.is("UPDATE") || t.is("DELETE") || t.is("REPLACE")):
			return
		case depth > 0, t.is("AS"), t.is("MATERIALIZED"), t.is("RECURSIVE"):
		case next.is("AS") || next.op("("):
			s.defined[fold(t)] = true
		}
	}
}

// fold gives a name the form in which it is compared.
func fold(t token) string {
	if t.kind == quoted {
		return strings.Trim(unquote(t.text), "\"")
	}
	return lower(t.text)
}

// operate starts a new operation of a query; the first one outside all brackets is the statement's own.
func (s *summarizer) operate(verb string, depth int) {
	if depth == 0 && s.main == "" {
		s.main = verb
	}
	s.add(part{text: verb})
}

// begin starts the operation of a statement that is no query.
func (s *summarizer) begin(verb string) {
	if verb != "EXPLAIN" {
		s.main = verb
	}
	s.add(part{text: verb})
}

// add appends a word, as long as the summary has room for all of it.
func (s *summarizer) add(p part) {
	if s.size+1+len(p.text) <= MaxSummary {
		s.size += 1 + len(p.text)
		s.parts = append(s.parts, p)
	}
}

// table takes the name at the current position, if there is one, as a table of the current operation.
func (s *summarizer) table() {
	start := s.at
	name, key, ok := s.identifier()
	if !ok || len(s.parts) == 0 {
		s.at = start
		return
	}
	if s.defined[key] {
		s.parts[len(s.parts)-1].defined = true
		return
	}
	s.tables[name] = true
	for i := len(s.parts) - 1; s.parts[i].isName; i-- {
		if s.parts[i].text == name {
			return // a table joined with itself
		}
	}
	s.add(part{text: name, isName: true})
}

// name takes the name at the current position as something that is no table: an index, a pragma.
func (s *summarizer) name() {
	if name, _, ok := s.identifier(); ok {
		s.add(part{text: name, isName: true})
	}
}

// identifier reads a name, with its schema if it has one, as it is written and as it is compared.
func (s *summarizer) identifier() (written, folded string, ok bool) {
	t := s.peek(0)
	if t.kind != word && t.kind != quoted || t.is("SELECT") || t.is("VALUES") || t.is("WITH") {
		return "", "", false
	}
	s.at++
	written, folded = t.text, fold(t)
	if after := s.peek(1); s.peek(0).op(".") && (after.kind == word || after.kind == quoted) {
		s.at += 2
		written, folded = written+"."+after.text, folded+"."+fold(after)
	}
	return written, folded, true
}

// operation returns the statement's own verb; that of a statement without one is its first.
func (s *summarizer) operation() string {
	if len(s.parts) > 0 && s.parts[0].text == "EXPLAIN" || s.main == "" && len(s.parts) > 0 {
		return s.parts[0].text
	}
	return s.main
}

// join writes the summary, without the operations whose tables were all defined by WITH.
func (s *summarizer) join() string {
	words := make([]string, 0, len(s.parts))
	for i, p := range s.parts {
		hasTable := i+1 < len(s.parts) && s.parts[i+1].isName
		if p.defined && !p.isName && !hasTable && len(s.parts) > 1 {
			continue
		}
		words = append(words, p.text)
	}
	if len(words) == 0 {
		return "SQL"
	}
	return strings.Join(words, " ")
}
