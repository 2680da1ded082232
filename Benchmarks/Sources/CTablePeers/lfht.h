// liburcu's hash table, for the flavour whose header is included before. The node is one block: links, id, start, JSON.
// After each guard's look-ups a thread leaves its read section (memb) or says that it is quiescent (qsbr); what the
// flavour has no use for does nothing.
#include "Peer.h"
#include <stdlib.h>
#include <urcu/rculfhash.h>

typedef struct {
    struct cds_lfht_node link;
    peer_id id;
    int64_t start;
    struct rcu_head head;
    char json[];
} node;

static int matches(struct cds_lfht_node *link, const void *id) {
    return peer_same(&caa_container_of(link, node, link)->id, id);
}

static void free_node(struct rcu_head *head) { free(caa_container_of(head, node, head)); }

static peer_table *make(size_t records) {
    // As many buckets as records, so that a chain has one node on average, and room to grow.
    size_t buckets = 1;
    while (buckets < records) buckets *= 2;
    return (peer_table *)cds_lfht_new_flavor(buckets, 1, buckets * 4, CDS_LFHT_AUTO_RESIZE, &rcu_flavor, NULL);
}

static node *make_node(const peer_id *id, int64_t start, const char *json, size_t length) {
    node *made = malloc(sizeof(node) + length);
    cds_lfht_node_init(&made->link);
    made->id = *id;
    made->start = start;
    memcpy(made->json, json, length);
    return made;
}

static inline uint64_t find(struct cds_lfht *table, const peer_id *id, size_t *found) {
    struct cds_lfht_iter iterator;
    cds_lfht_lookup(table, peer_hash(id), matches, id, &iterator);
    struct cds_lfht_node *link = cds_lfht_iter_get_node(&iterator);
    if (link == NULL) return 0;
    *found += 1;
    const node *record = caa_container_of(link, node, link);
    return peer_touch(record->start, record->json);
}

static void put(peer_table *table, const peer_id *id, int64_t start, const char *json, size_t length) {
    node *made = make_node(id, start, json, length);
    rcu_read_lock();
    struct cds_lfht_node *old =
        cds_lfht_add_replace((struct cds_lfht *)table, peer_hash(id), matches, id, &made->link);
    rcu_read_unlock();
    if (old != NULL) call_rcu(&caa_container_of(old, node, link)->head, free_node);
    rcu_quiescent_state();
}

static uint64_t read_all(peer_table *table, const peer_id *ids, size_t count, size_t *found) {
    uint64_t sum = 0;
    for (size_t from = 0; from < count; from += peer_guard_ids) {
        rcu_read_lock();
        for (size_t index = from; index < from + peer_guard_ids; index++)
            sum += find((struct cds_lfht *)table, &ids[index], found);
        rcu_read_unlock();
        rcu_quiescent_state();
    }
    return sum;
}

static void enter(void) { rcu_register_thread(); }
static void leave(void) { rcu_unregister_thread(); }
