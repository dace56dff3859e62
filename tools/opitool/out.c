// SPDX-License-Identifier: GPL-2.0
/*
 * Output as text or JSON (out.h).  What comes from the kernel may come from a
 * device or from whoever named an interface: no byte of it reaches a terminal
 * or a JSON document unless it is printable UTF-8.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

int out_errno;
static bool forgotten;

void out_flush(void)
{
	/* Output larger than the buffer may have failed before. */
	errno = EIO;
	if ((fflush(stdout) || ferror(stdout)) && !out_errno && !forgotten)
		out_errno = errno;
}

void out_forget(void)
{
	forgotten = true;
	out_errno = 0;
}

void out_init(struct out *out, const struct opts *opts, bool oneline)
{
	memset(out, 0, sizeof(*out));
	out->json = opts->json;
	out->pretty = opts->pretty;
	out->oneline = oneline;
}

/* Length of the printable UTF-8 character at @s, 0 if there is none. */
static size_t printable(const unsigned char *s)
{
	uint32_t c, min;
	size_t n, i;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if ((s[0] & 0xe0) == 0xc0) {
		n = 2;
		c = s[0] & 0x1f;
		min = 0xa0;		/* no C1 controls */
	} else if ((s[0] & 0xf0) == 0xe0) {
		n = 3;
		c = s[0] & 0x0f;
		min = 0x800;
	} else if ((s[0] & 0xf8) == 0xf0) {
		n = 4;
		c = s[0] & 0x07;
		min = 0x10000;
	} else {
		return 0;
	}
	/* The terminating 0 is no continuation, so this stays inside. */
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	/* Marks that change the direction or the place of text. */
	if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069) || c == 0xfeff)
		return 0;
	return n;
}

/* A copy of @s that is safe to show; what is not becomes \xNN. */
static char *clean(const char *s)
{
	char *copy = malloc(4 * strlen(s) + 1), *p = copy;
	const unsigned char *u = (const unsigned char *)s;

	if (!copy)
		die(ST_FAILED, "out of memory");
	while (*u) {
		size_t n = printable(u);

		if (n) {
			memcpy(p, u, n);
			p += n;
			u += n;
		} else {
			p += sprintf(p, "\\x%02x", *u++);
		}
	}
	*p = '\0';
	return copy;
}

/* json-c says that it has no memory with NULL, which would print as null. */
static struct json_object *must(struct json_object *obj)
{
	if (!obj)
		die(ST_FAILED, "out of memory");
	return obj;
}

static void json_add(struct out *out, const char *key, struct json_object *obj)
{
	struct json_object *top;

	if (!out->depth)
		return;
	top = out->stack[out->depth - 1];
	if (json_object_is_type(top, json_type_array))
		json_object_array_add(top, obj);
	else
		json_object_object_add(top, key, obj);
}

static void push(struct out *out, struct json_object *obj)
{
	if (out->depth == ARRAY_SIZE(out->stack))
		abort();
	out->stack[out->depth++] = obj;
}

static void text(struct out *out, const char *fmt, ...) PRINTF(2, 3);
static void text(struct out *out, const char *fmt, ...)
{
	va_list ap;

	if (out->space)
		putchar(' ');
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	out->space = true;
}

static void text_key(struct out *out, const char *key)
{
	if (out->space)
		putchar(' ');
	for (; *key; key++)
		putchar(*key == '_' ? '-' : *key);
	out->space = true;
}

void out_array(struct out *out)
{
	push(out, out->json ? must(json_object_new_array()) : NULL);
}

void out_object(struct out *out, const char *key)
{
	struct json_object *obj = NULL;

	if (out->json) {
		obj = must(json_object_new_object());
		json_add(out, key, obj);
	} else if (key) {
		out_break(out);
		text_key(out, key);
		putchar(':');
	}
	push(out, obj);
	out->objects++;
}

void out_end(struct out *out)
{
	struct json_object *obj = out->stack[--out->depth];

	if (out->json) {
		int how = JSON_C_TO_STRING_NOSLASHESCAPE;

		if (out->depth)
			return;
		if (out->pretty)
			how |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
		puts(json_object_to_json_string_ext(obj, how));
		json_object_put(obj);
		out_flush();
		return;
	}
	/* Objects inside another end with the line of that one. */
	if (out->objects && !--out->objects) {
		putchar('\n');
		out->space = false;
		out_flush();
	}
}

void out_break(struct out *out)
{
	if (out->json || out->oneline)
		return;
	fputs("\n   ", stdout);
}

static void add_str(struct out *out, const char *key, const char *value,
		    const char *after)
{
	char *safe = clean(value);

	if (out->json) {
		json_add(out, key, must(json_object_new_string(safe)));
	} else {
		if (!after)
			text_key(out, key);
		text(out, "%s%s", safe, after ? after : "");
	}
	free(safe);
}

static void add_vfmt(struct out *out, const char *key, const char *after,
		     const char *fmt, va_list ap)
{
	char *value;

	if (vasprintf(&value, fmt, ap) < 0)
		die(ST_FAILED, "out of memory");
	add_str(out, key, value, after);
	free(value);
}

void out_name(struct out *out, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_vfmt(out, key, ":", fmt, ap);
	va_end(ap);
}

void out_word(struct out *out, const char *key, const char *value)
{
	add_str(out, key, value, "");
}

void out_str(struct out *out, const char *key, const char *value)
{
	add_str(out, key, value, NULL);
}

void out_fmt(struct out *out, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_vfmt(out, key, NULL, fmt, ap);
	va_end(ap);
}

void out_uint(struct out *out, const char *key, uint64_t value)
{
	if (out->json) {
		json_add(out, key, must(json_object_new_uint64(value)));
	} else {
		text_key(out, key);
		text(out, "%llu", (unsigned long long)value);
	}
}

void out_bool(struct out *out, const char *key, bool value)
{
	if (out->json) {
		json_add(out, key, must(json_object_new_boolean(value)));
	} else {
		text_key(out, key);
		text(out, "%s", value ? "true" : "false");
	}
}

void out_enum(struct out *out, const char *key, const struct names *names,
	      uint32_t value)
{
	const char *name = name_of(names, value);

	/* A newer kernel or card may know more. */
	if (name)
		out_str(out, key, name);
	else
		out_fmt(out, key, "unknown-%u", value);
}

void out_flags(struct out *out, const char *key, const struct names *names,
	       uint32_t value)
{
	unsigned int bit;
	bool any = false;

	if (out->json) {
		json_add(out, key, must(json_object_new_array()));
		push(out, json_object_object_get(out->stack[out->depth - 1],
						 key));
	} else {
		text_key(out, key);
		putchar(' ');
	}
	for (bit = 0; bit < 32; bit++) {
		const char *name;
		char number[16];

		if (!(value & 1u << bit))
			continue;
		name = name_of(names, bit);
		if (!name) {
			snprintf(number, sizeof(number), "unknown-%u", bit);
			name = number;
		}
		if (out->json)
			json_add(out, NULL, must(json_object_new_string(name)));
		else
			printf("%s%s", any ? "," : "", name);
		any = true;
	}
	if (out->json)
		out->depth--;
	else if (!any)
		fputs("none", stdout);
}

void out_bytes(struct out *out, const char *key, const char *sep,
	       const unsigned char *bytes, size_t len)
{
	char buf[3 * 32 + 1], *p = buf;
	size_t i;

	buf[0] = '\0';
	for (i = 0; i < len && i < 32; i++)
		p += sprintf(p, "%s%02x", i ? sep : "", bytes[i]);
	out_str(out, key, buf);
}
