// SPDX-License-Identifier: Apache-2.0
/* Which objects have a pod or a pod's template, and where; Lists of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inject/work.h"

static const struct {
	const char *kind;
	const char *group; /* of its API: what stands before the slash in apiVersion */
	const char *pod;   /* what holds the pod's metadata and spec */
} kinds[] = {
	{"Pod", "", ""},
	{"Deployment", "apps", "/spec/template"},
	{"StatefulSet", "apps", "/spec/template"},
	{"DaemonSet", "apps", "/spec/template"},
	{"ReplicaSet", "apps", "/spec/template"},
	{"Job", "batch", "/spec/template"},
	{"CronJob", "batch", "/spec/jobTemplate/spec/template"},
	{"ReplicationController", "", "/spec/template"},
	{"PodTemplate", "", "/template"},
};

/* The text of a member, or "" where it is missing or something else. */
static int read_text(struct work *work, const struct place *object, const char *key,
		     const char **ret_text)
{
	struct place place;
	const int err = place_member(work, object, key, &place);
	const char *text = yyjson_mut_get_str(place.value);

	*ret_text = text ? text : "";
	return err;
}

/* KIND/NAME for messages. */
static int name_object(struct work *work, const struct place *at, const char *kind)
{
	struct place metadata;
	const char *name;
	int err;

	err = place_member(work, at, "metadata", &metadata);
	if (!err)
		err = place_want_object(work, &metadata);
	if (!err)
		err = read_text(work, &metadata, "name", &name);
	if (!err)
		snprintf(work->object, sizeof(work->object), "%.60s%s%.253s", kind,
			 *name ? "/" : "", name);
	return err;
}

/* *ret_pod: where its pod is, or NULL: it is of another kind. */
static int find_kind(struct work *work, const struct place *at, const char **ret_kind,
		     const char **ret_pod)
{
	const char *version, *kind;
	size_t group;
	int err;

	*ret_pod = NULL;
	err = read_text(work, at, "kind", &kind);
	if (!err)
		err = read_text(work, at, "apiVersion", &version);
	if (err)
		return err;
	*ret_kind = kind;
	group = strchr(version, '/') ? strcspn(version, "/") : 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(kinds[i].kind, kind) && strlen(kinds[i].group) == group &&
		    !strncmp(kinds[i].group, version, group))
			*ret_pod = kinds[i].pod;
	}
	return 0;
}

static int change_one(struct work *work, const struct place *at, const char *kind,
		      const char *pointer)
{
	struct place pod;
	int err;

	err = name_object(work, at, kind);
	if (!err)
		err = place_walk(work, at, pointer, &pod);
	if (!err && !place_there(&pod))
		err = work_refuse(work, &pod, "it is missing", NULL);
	if (!err)
		err = place_want_object(work, &pod);
	return err ? err : pod_change(work, &pod);
}

static int change_list(struct work *work, const struct place *list)
{
	const char *kind, *pod;
	struct place item;
	yyjson_mut_val *value;
	size_t i, count;
	int err;

	if (!place_there(list))
		return work_refuse(work, list, "it is missing", NULL);
	err = place_want_list(work, list);
	if (err)
		return err;
	yyjson_mut_arr_foreach(list->value, i, count, value)
	{
		work->object[0] = 0;
		item = place_item(list, i, value);
		if (!yyjson_mut_is_obj(value))
			return work_refuse(work, &item, "it is not an object", NULL);
		err = find_kind(work, &item, &kind, &pod);
		if (!err && pod)
			err = change_one(work, &item, kind, pod);
		if (err)
			return err;
	}
	return 0;
}

int object_change(struct work *work)
{
	struct place root = {yyjson_mut_doc_get_root(work->doc), ""}, items;
	const char *kind, *pod;
	int err;

	if (!yyjson_mut_is_obj(root.value))
		return work_refuse(work, &root, "it is not an object", "give kubectl get -o json");
	err = find_kind(work, &root, &kind, &pod);
	if (err)
		return err;
	if (pod)
		return change_one(work, &root, kind, pod);
	if (!strcmp(kind, "List")) {
		err = place_member(work, &root, "items", &items);
		return err ? err : change_list(work, &items);
	}
	snprintf(work->object, sizeof(work->object), "%.60s", kind);
	err = place_member(work, &root, "kind", &items);
	if (err)
		return err;
	return work_refuse(work, &items,
			   *kind ? "objects of this kind and apiVersion have no pods"
				 : "it has no kind",
			   "give a Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, "
			   "CronJob or a List");
}
