// Package rule is the rule that every host of this comparison runs, over the same bytes.
package rule

import "github.com/tidegate/engine/sdk/abi"

// Judge rejects rows whose third column is no integer above zero, and returns the result block; nil where there is nothing to say.
func Judge(batch []byte, block *abi.Block) []byte {
	rows, err := abi.Open(batch)
	block.Reset()
	if err != nil {
		block.Add(abi.Record{Message: err.Error()})
		return block.Bytes(abi.Failure)
	}
	for row := range rows.Len() {
		if qty := rows.Cell(row, abi.New, 2); qty.Type() != abi.Integer || qty.Int() < 1 {
			block.Add(abi.Record{Row: uint32(row), Code: 1, Col: 2, Action: abi.Reject, Severity: abi.SeverityError, Message: "qty must be at least 1"})
		}
	}
	if block.Len() == 0 {
		return nil
	}
	return block.Bytes(abi.Verdicts)
}
