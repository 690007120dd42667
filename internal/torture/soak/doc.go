// Package soak lets a hundred sessions work for an hour while all sorts of things go wrong, and looks whether memory, goroutines and
// descriptors stay level, whether the money adds up, and whether every acknowledged transaction is there (P18).
package soak
