// Package builtin runs plug-ins that are Go values of the program, through the same bytes and the same contract as a module: what a rule answers here it answers
// as a module too. There is no sandbox: such code is as trusted as the program, and neither fuel nor deadline can stop it.
package builtin
