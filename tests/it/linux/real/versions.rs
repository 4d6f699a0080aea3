//! Version control.

use super::page::{Server, give};
use super::{assert_same_tree, make_tree, run, run_in, text};

#[test]
fn git_daemon_is_cloned_from() {
    let Some(mut server) = Server::of("git", &["git"]) else { return };
    let base = server.moved("/srv/git", "git");
    let origin = base.join("origin");
    make_tree(&origin);
    let git = |arguments: &[&str]| run_in(&origin, "git", arguments);
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    let who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"];
    git(&[&who[..], &["commit", "-q", "-m", "all"]].concat());
    give(&base, "nobody");
    server.each(|served| {
        let clone = served.at("clone");
        run("git", &["clone", "-q", &served.url("git", "origin"), text(&clone)]);
        assert_same_tree(&origin, &clone);
    });
}

#[test]
fn svnserve_is_committed_to() {
    let Some(mut server) = Server::of("svnserve", &["svnserve", "svn", "svnadmin"]) else {
        return;
    };
    let root = server.moved("/srv/svn", "svn");
    std::fs::create_dir(&root).unwrap();
    let repository = root.join("project");
    run("svnadmin", &["create", text(&repository)]);
    let open = "[general]\nanon-access = write\n";
    std::fs::write(repository.join("conf/svnserve.conf"), open).unwrap();
    give(&root, "nobody");
    server.each(|served| {
        let (one, two) = (served.at("one"), served.at("two"));
        let url = served.url("svn", "project");
        let svn = |arguments: &[&str]| run_in(&served.at(""), "svn", arguments);
        svn(&["checkout", "-q", &url, text(&one)]);
        let tree = format!("tree-{}", served.port());
        make_tree(&one.join(&tree));
        svn(&["add", "-q", text(&one.join(&tree))]);
        svn(&["commit", "-q", "--non-interactive", "-m", "all", text(&one)]);
        svn(&["checkout", "-q", &url, text(&two)]);
        assert_same_tree(&one, &two);
        assert!(two.join(tree).exists());
    });
}

#[test]
fn cvs_pserver_is_checked_out_from() {
    let Some(mut server) = Server::of("cvs", &["cvs"]) else { return };
    let root = server.moved("/srv/cvs", "cvs");
    let tree = server.at("tree");
    make_tree(&tree);
    // cvs knows no binary files unless it is told, and changes what looks like a keyword.
    std::fs::write(tree.join("deep/large.bin"), "long ".repeat(1 << 20)).unwrap();
    run("cvs", &["-d", text(&root), "init"]);
    let import = ["import", "-m", "all", "module", "vendor", "start"];
    run_in(&tree, "cvs", &[&["-Q", "-d", text(&root)][..], &import].concat());
    std::fs::write(root.join("CVSROOT/passwd"), "anonymous::nobody\n").unwrap();
    give(&root, "nobody");
    server.each(|served| {
        let root = format!(":pserver:anonymous@127.0.0.1:{}{}", served.port(), root.display());
        let home = served.at("home");
        std::fs::create_dir(&home).unwrap();
        run_in(&home, "cvs", &["-Q", "-d", &root, "checkout", "module"]);
        assert_same_tree(&tree, &home.join("module"));
    });
}

#[test]
fn fossil_is_cloned_from() {
    let Some(mut server) = Server::of("fossil", &["fossil"]) else { return };
    let repository = server.moved("/srv/fossil/museum.fossil", "museum.fossil");
    let tree = server.at("tree");
    make_tree(&tree);
    let fossil = |arguments: &[&str]| run_in(&tree, "fossil", arguments);
    fossil(&["new", text(&repository)]);
    fossil(&["open", "--force", text(&repository)]);
    fossil(&["add", "."]);
    fossil(&["commit", "--no-warnings", "-m", "all"]);
    fossil(&["close"]);
    give(&server.at(""), "nobody");
    server.each(|served| {
        let (clone, copy) = (served.at("clone.fossil"), served.at("copy"));
        std::fs::create_dir(&copy).unwrap();
        run_in(&copy, "fossil", &["clone", &served.url("http", ""), text(&clone)]);
        run_in(&copy, "fossil", &["open", text(&clone)]);
        run_in(&copy, "fossil", &["close"]);
        let large = "deep/large.bin";
        assert_same_tree(&tree.join(large), &copy.join(large));
    });
}
