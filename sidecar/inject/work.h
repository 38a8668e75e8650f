/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share: the document in work, and places in it. A key that we read and that an object has twice is
 * refused: readers differ in which of the two counts.
 */
#ifndef RINGSIDE_INJECT_WORK_H
#define RINGSIDE_INJECT_WORK_H

#include <stdbool.h>
#include <yyjson.h>

#include "inject/inject.h"

struct work {
	const struct inject_change *change;
	struct inject_trouble *trouble;
	yyjson_mut_doc *doc;
	yyjson_val *sidecar; /* sidecar.json */
	char object[320];    /* KIND/NAME in work */
};

/* A value, or where there is none (NULL), and what it is called in messages. */
struct place {
	yyjson_mut_val *value;
	char path[192];
};

/* Fills the trouble in and returns -EINVAL. */
int work_refuse(struct work *work, const struct place *place, const char *why, const char *todo);

/* Neither missing nor null. */
bool place_there(const struct place *place);
/* 0, or -EINVAL: the key is there twice. `object` is an object, or not there. */
int place_member(struct work *work, const struct place *object, const char *key,
		 struct place *ret_place);
/* As place_member along /KEY/KEY; what it passes through must be objects, or not be there. */
int place_walk(struct work *work, const struct place *from, const char *pointer,
	       struct place *ret_place);
/* The item of a list; `index` is its number. */
struct place place_item(const struct place *list, size_t index, yyjson_mut_val *item);
/* 0, or -EINVAL: it is there and no object (no list). */
int place_want_object(struct work *work, const struct place *place);
int place_want_list(struct work *work, const struct place *place);

/* Sets a member in its place, or at the object's end. False: no memory. `key` is copied. */
bool place_set(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, yyjson_mut_val *value);
/* The same for copies of all members of an object; NULL: it has none. */
bool place_set_all(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_val *members);

/* The built-in sidecar.json; NULL: no memory. The caller frees it. */
yyjson_doc *sidecar_read(void);
/* The variant of processAccess that the change asks for. */
yyjson_val *sidecar_access(const struct work *work);
/*
 * The container as the change and the pod's annotations have it. 0; -EINVAL: an annotation has a wrong value; -ENOMEM.
 */
int sidecar_container(struct work *work, const struct place *annotations,
		      yyjson_mut_val **ret_container);

/* Changes what holds `metadata` and `spec` of a pod. 0, -EINVAL or -ENOMEM. */
int pod_change(struct work *work, const struct place *pod);

/* Changes an object or a List. 0, -EINVAL or -ENOMEM. */
int object_change(struct work *work);

#endif
