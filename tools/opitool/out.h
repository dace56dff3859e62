/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Output: text for people and JSON for programs from the same calls.
 *
 * An object is a name, fields and objects inside it.  In JSON every call is a
 * member with that key; in text the name comes first with a colon behind it,
 * the fields are "key value" and an object inside starts a line of its own.
 * Keys are written as in JSON, with '_'; text shows them with '-'.
 */
#ifndef OPITOOL_OUT_H
#define OPITOOL_OUT_H

#include <stdio.h>

#include "names.h"
#include "opitool.h"

struct json_object;

/**
 * struct out - an output
 * @json:	JSON, not text
 * @pretty:	JSON indented
 * @oneline:	text without line breaks inside an object
 * @depth:	how many objects and arrays are open
 * @objects:	how many of them are objects
 * @stack:	JSON: the open ones, outermost first
 * @space:	text: something stands on this line already
 */
struct out {
	bool json;
	bool pretty;
	bool oneline;
	unsigned int depth;
	unsigned int objects;
	struct json_object *stack[8];
	bool space;
};

void out_init(struct out *out, const struct opts *opts, bool oneline);

/* The array around all objects; without it each object stands for itself. */
void out_array(struct out *out);
void out_object(struct out *out, const char *key);
/* Ends what was opened last; the outermost is then written and flushed. */
void out_end(struct out *out);

/* What the object is called. */
void out_name(struct out *out, const char *key, const char *fmt, ...)
	PRINTF(3, 4);
/* A field that needs no key for people. */
void out_word(struct out *out, const char *key, const char *value);

void out_str(struct out *out, const char *key, const char *value);
void out_fmt(struct out *out, const char *key, const char *fmt, ...)
	PRINTF(3, 4);
void out_uint(struct out *out, const char *key, uint64_t value);
void out_bool(struct out *out, const char *key, bool value);
void out_enum(struct out *out, const char *key, const struct names *names,
	      uint32_t value);
void out_flags(struct out *out, const char *key, const struct names *names,
	       uint32_t value);
/* Bytes in hexadecimal with @sep between them: 02:00:... */
void out_bytes(struct out *out, const char *key, const char *sep,
	       const unsigned char *bytes, size_t len);

/* Write out what is buffered; the first error of any writing stays here. */
void out_flush(void);
extern int out_errno;

/* Nobody reads any more, and that is well. */
void out_forget(void);

/* Text: what follows goes to a line of its own. */
void out_break(struct out *out);

#endif /* OPITOOL_OUT_H */
