// Package diagnose finds what is behind an alert. It is given evidence, which is what the engine did since the alert began beside what it usually does, and
// what is under way at the moment; it looks at every cause that it knows, and says which one explains the alert best, which facts speak for it, and
// why it is not one of the others.
//
// Everything here is pure: the same evidence gives the same diagnosis. Whoever collects evidence keeps a [Memory].
package diagnose
