package desk

// Statements are all that the desk runs while it trades, for the test of their
// plans.
func Statements() map[string]string {
	return map[string]string{
		"riskFigures": riskFigures, "riskLimits": riskLimits, "insertOrder": insertOrder, "findOrder": findOrder, "markSignal": markSignal,
		"ackOrder": ackOrder, "rejectOrder": rejectOrder, "requestCancel": requestCancel, "cancelOrder": cancelOrder, "openOfAccount": openOfAccount,
		"fillContext": fillContext, "insertExecution": insertExecution, "insertTxn": insertTxn, "insertTransfer": insertTransfer, "findBreak": findBreak, "insertBreak": insertBreak,
		"newestLots": newestLots, "hasAdjustments": hasAdjustments, "history": history, "bustContext": bustContext,
		"insertQuote": insertQuote, "insertPrint": insertPrint, "insertBar": insertBar, "upsertLast": upsertLast, "insertSignal": insertSignal,
		"expireSignal": expireSignal, "latestSignal": latestSignal, "lastQuote": lastQuote, "rollUpBars": rollUpBars,
		"holdings": holdings, "balances": balances, "openOrders": openOrders, "insertSnapshot": insertSnapshot, "rateToUSD": rateToUSD,
		"tradeHistory": tradeHistory, "turnover": turnover,
		"insertAction": insertAction, "openQty": openQty, "insertAdjust": insertAdjust, "anyOpen": anyOpen,
	}
}
